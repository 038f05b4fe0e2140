"""A tiny model, examples and stages for the training tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.data.features import encode_features
from vistune.data.processor import Processor
from vistune.model.vlm import VisionLanguageModel
from vistune.train.config import StageConfig, make_stage

WORDS = ("red", "a small cat", "two", "yes it is there")


def examples(count: int, name: str = "a") -> list[Example]:
    """Questions about pictures with answers of different lengths."""
    return [
        Example(f"{name}-{n}", name, f"What is thing number {n}?", WORDS[n % 4], (picture(n % 5),))
        for n in range(count)
    ]


def load(folder: Path) -> tuple[VisionLanguageModel, Processor]:
    """The checkpoint in float32, without dropout."""
    model, processor = load_model(folder, dtype="float32")
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return model, processor


def stage(**settings: Any) -> StageConfig:
    """A short stage that trains a projection unless told otherwise."""
    return make_stage(
        **{
            "name": "test",
            "learning_rates": {"projection": 1e-2},
            "steps": 6,
            "batch_size": 4,
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
