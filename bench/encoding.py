"""From JPEG files to batches: vistune's loader beside transformers' processor in a plain DataLoader with padding."""

from __future__ import annotations

import io
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from common import word_tokenizer
from mixed_lengths import held_in_texts
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from transformers import InstructBlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from vistune.data.example import Example
from vistune.data.instruction_set import InstructionSet
from vistune.data.loader import Loader
from vistune.data.mixture import Mixture
from vistune.data.plans import StepPlanner
from vistune.data.processor import Processor

SIDE, QUERIES, BATCH, IGNORE = 224, 32, 64, -100


def photo(seed: int, width: int = 640, height: int = 480) -> bytes:
    """A JPEG of coloured noise with the spectrum of photographs: as large (about 140 KB) and as slow to decode."""
    draw = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    layers = [
        np.fft.irfft2(
            (draw.standard_normal(frequency.shape) + 1j * draw.standard_normal(frequency.shape)) / frequency**1.2,
            s=(height, width),
        )
        for _ in range(3)
    ]
    pixels = np.stack([layers[0] + 0.3 * layers[1], layers[0], layers[0] + 0.3 * layers[2]], -1)
    pixels = (pixels - pixels.mean()) / pixels.std() * 50 + 120
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


class Plain(Dataset[dict[str, Any]]):
    """One sample through transformers' InstructBLIP processor, as its documentation shows."""

    def __init__(self, examples: list[Example], processor: InstructBlipProcessor) -> None:
        self.examples = examples
        self.processor = processor

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        with Image.open(example.images[0]) as image:
            made = self.processor(images=image.convert("RGB"), text=example.instruction, return_tensors="pt")
        answer = self.processor.tokenizer(example.target, add_special_tokens=False)["input_ids"]
        answer.append(self.processor.tokenizer.eos_token_id)
        made["input_ids"] = torch.cat([made["input_ids"][0], torch.tensor(answer)])
        made["labels"] = torch.cat([torch.full((len(made["input_ids"]) - len(answer),), IGNORE), torch.tensor(answer)])
        return dict(made)


def padded(samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Samples as one padded batch."""

    def rows(name: str, value: int) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence([s[name].flatten() for s in samples], True, value)

    return {
        "input_ids": rows("input_ids", 3),
        "labels": rows("labels", IGNORE),
        "qformer_input_ids": rows("qformer_input_ids", 3),
        "pixel_values": torch.cat([sample["pixel_values"] for sample in samples]),
    }


def compare_encoding(count: int, workers: int, repeats: int) -> dict[str, float]:
    """Samples per second both ways once the first batch is there, their ratio, and whether the pixels are the same."""
    with tempfile.TemporaryDirectory() as folder:
        examples = _examples(Path(folder), count)
        images = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
        theirs = InstructBlipProcessor(images, word_tokenizer(), word_tokenizer(), QUERIES)
        processor = Processor(
            theirs.tokenizer,
            images,
            image_token_id=theirs.tokenizer.convert_tokens_to_ids("<image>"),
            num_image_tokens=QUERIES,
            image_first=True,
            qformer_tokenizer=word_tokenizer(),
        )
        return _timed(examples, theirs, processor, workers, repeats)


def _examples(folder: Path, count: int) -> list[Example]:
    rows = []
    for number, (prompt, answer) in enumerate(held_in_texts(count)):
        path = folder / f"{number}.jpg"
        path.write_bytes(photo(number))
        rows.append(Example(str(number), "mixed", prompt, answer, (path,)))
    return rows


def _timed(examples: list[Example], theirs: Any, processor: Processor, workers: int, repeats: int) -> dict[str, float]:
    mixture = Mixture({"mixed": len(examples)})
    steps = len(examples) // BATCH
    order = [draw.index for step in range(steps) for draw in mixture.draws(step, BATCH)]
    plain = DataLoader(Plain(examples, theirs), BATCH, sampler=order, num_workers=workers, collate_fn=padded)
    data = [InstructionSet("mixed", examples, processor)]
    runs: dict[str, list[Run]] = {"transformers": [], "vistune": []}
    for _ in range(repeats):
        ours = Loader(StepPlanner(mixture, BATCH), data, processor, workers=workers, steps=steps)
        for name, loader in (("transformers", plain), ("vistune", ours)):
            runs[name].append(_one_run(loader))
    found: dict[str, float] = {}
    for name, made in runs.items():
        found[f"{name}_samples_per_second"] = (steps - 1) * BATCH / median(run.rest for run in made)
        found[f"{name}_seconds_to_first_batch"] = median(run.first for run in made)
        found[f"{name}_processor_ms_per_sample"] = median(run.processor for run in made) / (steps * BATCH) * 1000
    found["ratio"] = found["vistune_samples_per_second"] / found["transformers_samples_per_second"]
    found["ratio_of_processor_time"] = (
        found["transformers_processor_ms_per_sample"] / found["vistune_processor_ms_per_sample"]
    )
    found["pixels_equal"] = float(torch.equal(runs["transformers"][0].pixels, runs["vistune"][0].pixels))
    return found


@dataclass(frozen=True)
class Run:
    """Seconds to the first batch, from there to the last one, of processor time in all processes; the first pixels."""

    first: float
    rest: float
    processor: float
    pixels: torch.Tensor


def _one_run(loader: Any) -> Run:
    before, begun = _processor_seconds(), time.perf_counter()
    first, pixels = 0.0, torch.empty(0)
    for number, batch in enumerate(loader):
        if number == 0:
            first = time.perf_counter() - begun
            pixels = batch["pixel_values"] if isinstance(batch, dict) else batch.pixel_values
    return Run(first, time.perf_counter() - begun - first, _processor_seconds() - before, pixels)


def _processor_seconds() -> float:
    """Of this process and those that it started and that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
