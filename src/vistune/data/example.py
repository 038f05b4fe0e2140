"""One row of any data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    ImageRef = Image | Path | str


@dataclass(frozen=True)
class Example:
    """What a person would ask about pictures, and what would be right.

    Args:
        id: unique within its data set.
        task: name of the data set or task, the key of per-task figures.
        instruction: the words put to the model, template already applied.
        target: the answer to learn from; None where there is only something to predict.
        images: pictures or paths, in reading order; several for multi-image rows or video frames; () for text alone.
        candidates: the answers to rank, or None.
        references: all acceptable answers; empty means (target,).
    """

    id: str
    task: str
    instruction: str
    target: str | None = None
    images: tuple[ImageRef, ...] = ()
    candidates: tuple[str, ...] | None = None
    references: tuple[str, ...] = ()
