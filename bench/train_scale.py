"""What making a batch costs as data sets grow: seconds and memory a sample, from 1,000 to 1,000,000 samples."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from train_model import BATCH, Examples
from train_ours import cached_features, feed_of, stage_of

from vistune.checkpoint import load_model

SIZES = (1_000, 10_000, 100_000, 1_000_000)
STEPS = 30


def cost_by_samples(folder: Path, pictures: list[Path]) -> dict[str, float]:
    """Milliseconds a sample of packed batches with cached features; the model does not know how many there are."""
    cache = cached_features(folder, pictures, "cpu")
    _, processor = load_model(folder)
    row: dict[str, float] = {}
    for size in SIZES:
        begun = time.process_time()
        feed = feed_of("instructblip", processor, Examples(size, pictures), stage_of("instructblip", STEPS), cache)
        feed.next()
        row[f"first_batch_seconds_{size}"] = time.process_time() - begun
        seconds = []
        for _ in range(STEPS - 1):
            begun = time.process_time()
            feed.next()
            seconds.append(time.process_time() - begun)
        feed.close()
        row[f"ms_a_sample_{size}"] = 1000 * statistics.median(seconds) / BATCH
    row["ratio"] = row[f"ms_a_sample_{SIZES[-1]}"] / row[f"ms_a_sample_{SIZES[0]}"]
    return row
