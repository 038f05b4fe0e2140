"""A tiny model, examples and stages for the training tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.data.features import encode_features
from vistune.data.processor import Processor
from vistune.model.vlm import VisionLanguageModel
from vistune.train.in_memory import run_in_memory
from vistune.train.loop import StageRun
from vistune.train.recipe.stage import Stage
from vistune.train.reports.json_log import LOG_FILE, JsonLog, read_log
from vistune.train.reports.report import Report

WORDS = ("red", "a small cat", "two", "yes it is there")
CONNECTOR = {"ln_vision": 1e-2, "queries": 1e-2, "qformer": 1e-2, "projection": 1e-2}


def examples(count: int, name: str = "a") -> list[Example]:
    """Questions about pictures with answers of different lengths."""
    return [
        Example(f"{name}-{n}", name, f"What is thing number {n}?", WORDS[n % 4], (picture(n % 5),))
        for n in range(count)
    ]


def load(folder: Path, dropout: bool = False) -> tuple[VisionLanguageModel, Processor]:
    """The checkpoint in float32, without dropout unless it is wanted."""
    model, processor = load_model(folder, dtype="float32")
    for module in model.modules() if not dropout else ():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return model, processor


def stage(**settings: Any) -> Stage:
    """A short stage that trains a projection unless told otherwise."""
    return Stage(
        **{
            "name": "test",
            "train": {"projection": 1e-2},
            "steps": 6,
            "batch_size": 4,
            "clip_norm": 1.0,
            "weight_decay": 0.05,
            "precision": "float32",
            **settings,
        }
    )


def sets(model: VisionLanguageModel, processor: Processor, cached: bool = True, **kind: Any) -> list[EncodedSet]:
    """Two data sets of unequal size, on cached features or on pixels."""
    both = [examples(9, "a"), examples(3, "b")]
    images = [example.images[0] for rows in both for example in rows]
    features = encode_features(model, processor, images, **kind) if cached else None
    return [EncodedSet(rows[0].task, rows, processor, features) for rows in both]


def make_run(
    checkpoint: Path,
    folder: Path,
    settings: Stage,
    *,
    cached: bool = True,
    dropout: bool = False,
    reports: Sequence[Report] = (),
    before: Callable[[VisionLanguageModel], None] | None = None,
    **options: Any,
) -> StageRun:
    """A run of the two sets on a checkpoint, logged in its folder."""
    model, processor = load(checkpoint, dropout)
    kind = {"before_norm": True} if cached and "ln_vision" in settings.train else {}
    data = sets(model, processor, cached, **kind)
    if before is not None:
        before(model)
    return run_in_memory(model, settings, data, processor, folder, reports=[JsonLog(folder), *reports], **options)


def losses(folder: Path) -> list[float]:
    """Of every step."""
    return [entry["loss"] for entry in read_log(folder / LOG_FILE)]


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all parameters."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def calm(model: Any) -> None:
    """The shaken T5 doubles differences at every step; with small weights it does not."""
    if model.language.is_encoder_decoder:
        with torch.no_grad():
            for parameter in model.language.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(0.3)


class StopAfter:
    """Says so after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0
