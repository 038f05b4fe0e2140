"""Training beside transformers' own model with a padded DataLoader and the usual loop: same weights, same samples.

    python bench/train.py [--part all|instructblip|llava|memory|checkpoints|scale] [--steps 2] [--repeats 3] [--json]

Goals on two cores, in float32: InstructBLIP tuning 2.5 x the samples per second with cached features and 1.5 x without,
LLaVA's second stage 1.5 x; peak memory 0.6 x; less than 2 % of the time for checkpoints and logging, less than 5 % of a
step outside of the model; the same cost per sample for 1,000 samples and 1,000,000. Sizes and lengths are those of
bench/train_model.py. Both sides begin from the same folder in every repeat, one after the other; a step before the
timed ones sets things up; the losses of all steps are compared. All of it takes about 15 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from train_memory import compare_memory
from train_model import BATCH, Examples, Kind, write_model, write_pictures
from train_ours import cached_features, order_of, train_ours
from train_scale import cost_by_samples
from train_theirs import train_theirs
from train_timing import Timed

SAMPLES = 100_000
Row = dict[str, float]


def main() -> None:
    """Print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("all", "instructblip", "llava", "memory", "checkpoints", "scale")
    parser.add_argument("--part", choices=parts, default="all")
    parser.add_argument("--steps", type=int, default=2, help="timed steps of 32 samples in each repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches, on both sides")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        pictures = write_pictures(work / "pictures")
        for kind in ("instructblip", "llava"):
            write_model(kind, work / kind)
            if options.part in ("all", kind):
                report[kind] = compare_speed(kind, work, pictures, options)
            if options.part in ("all", "memory"):
                report[f"memory, {kind}"] = compare_memory(kind, work, options.device)
        if options.part in ("all", "checkpoints"):
            report["checkpoints and logging"] = time_lost(work, pictures, options)
        if options.part in ("all", "scale"):
            report["data per sample"] = cost_by_samples(work / "instructblip", pictures)
    if options.json:
        print(json.dumps(report))
        return
    for name, row in report.items():
        print(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in row.items()))


def compare_speed(kind: Kind, work: Path, pictures: list[Path], options: argparse.Namespace) -> Row:
    """Samples per second of both sides, ratios, share of a step outside the model, largest difference of the losses."""
    examples = Examples(SAMPLES, pictures)
    steps = options.steps + 1
    order = order_of(SAMPLES, steps)
    folder, workers, device = work / kind, options.workers, options.device

    def ours(cache: bool) -> Timed:
        found = cached_features(folder, pictures, device) if cache else None
        with tempfile.TemporaryDirectory(dir=work) as run:
            return train_ours(kind, folder, examples, steps, Path(run), workers, device, found)[0]

    sides: dict[str, Callable[[], Timed]] = {
        "transformers": lambda: train_theirs(kind, folder, examples, order, workers, device),
        "vistune": lambda: ours(cache=False),
    }
    if kind == "instructblip":
        sides["vistune_cached"] = lambda: ours(cache=True)
    runs: dict[str, list[Timed]] = {name: [] for name in sides}
    for _ in range(options.repeats):
        for name, side in sides.items():
            runs[name].append(side())
    used = {name: statistics.median(run.processor_per_step() for run in found) for name, found in runs.items()}
    seconds = {name: statistics.median(run.per_step() for run in found) for name, found in runs.items()}
    row = {f"{name}_samples_per_second": BATCH / value for name, value in seconds.items()}
    truth = runs["transformers"][0].losses
    for name in list(sides)[1:]:
        row[f"{name}_ratio"] = seconds["transformers"] / seconds[name]
        row[f"{name}_ratio_of_processor_time"] = used["transformers"] / used[name]
        row[f"{name}_share_outside_the_model"] = statistics.median(run.share_outside() for run in runs[name])
        pairs = [pair for run in runs[name] for pair in zip(run.losses, truth, strict=True)]
        row[f"{name}_largest_difference_of_losses"] = max(abs(one - other) for one, other in pairs)
    return row


def time_lost(work: Path, pictures: list[Path], options: argparse.Namespace) -> Row:
    """Share of the time that training stands still, with a checkpoint every 10 steps of cached InstructBLIP tuning."""
    folder, every = work / "instructblip", 10
    cache = cached_features(folder, pictures, options.device)
    with tempfile.TemporaryDirectory(dir=work) as run:
        timed, lost = train_ours(
            "instructblip",
            folder,
            Examples(SAMPLES, pictures),
            2 * every,
            Path(run),
            options.workers,
            options.device,
            cache,
            every,
        )
    return {"share": lost, "seconds_a_step": timed.per_step(), "checkpoint_every_seconds": every * timed.per_step()}


if __name__ == "__main__":
    main()
