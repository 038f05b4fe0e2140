"""A tiny model without dropout and a batch that it learns from."""

from __future__ import annotations

from pathlib import Path

from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.batch import Batch
from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.data.processor import Processor
from vistune.model.vlm import VisionLanguageModel

WORDS = ("red", "a small cat", "two", "yes it is there")


def examples(count: int) -> list[Example]:
    """Questions about pictures with answers of different lengths."""
    return [Example(f"a-{n}", "a", f"What is thing number {n}?", WORDS[n % 4], (picture(n % 5),)) for n in range(count)]


def load(folder: Path) -> tuple[VisionLanguageModel, Processor]:
    """The checkpoint in float32, without dropout."""
    model, processor = load_model(folder, dtype="float32")
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return model, processor


def pieces(folder: Path) -> tuple[VisionLanguageModel, Batch]:
    """A model and a batch of four samples."""
    model, processor = load(folder)
    data = EncodedSet("a", examples(4), processor)
    return model, processor.collate([data[n] for n in range(4)])
