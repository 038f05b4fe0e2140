"""Encoded samples and the batch they make. Named tensors, nothing hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor

IGNORE = -100
Side = Literal["left", "right"]


@dataclass(frozen=True)
class Encoded:
    """One sample as token lists.

    Args:
        id: name for messages.
        input_ids: tokens of the language model (encoder input of an encoder-decoder), image placeholders included.
        labels: None at inference; else as long as input_ids (decoder-only; -100 = not learned), or decoder targets.
        instruction_ids: tokens of the Q-Former's copy of the instruction, or None.
        pixel_values: [n, 3, H, W], or image_features [n, P, D], or neither; n images in reading order.
    """

    id: str
    input_ids: list[int]
    labels: list[int] | None = None
    instruction_ids: list[int] | None = None
    pixel_values: Tensor | None = None
    image_features: Tensor | None = None

    @property
    def num_images(self) -> int:
        """Number of images of this sample."""
        source = self.pixel_values if self.pixel_values is not None else self.image_features
        return 0 if source is None else source.shape[0]


@dataclass(frozen=True)
class Batch:
    """What the model reads. B rows, N images of all rows in reading order.

    input_ids, attention_mask [B, L]; labels [B, L] or [B, T]; pixel_values [N, 3, H, W] or image_features [N, P, D];
    instruction_ids, instruction_mask [N, Lq], one row an image (video frames repeat their instruction).
    """

    ids: list[str]
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor | None = None
    pixel_values: Tensor | None = None
    image_features: Tensor | None = None
    instruction_ids: Tensor | None = None
    instruction_mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on ``device``."""
        moved = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ids"}
        return replace(self, **{name: value.to(device) for name, value in moved.items() if value is not None})

    def model_inputs(self) -> dict[str, Any]:
        """Keyword arguments of ``VisionLanguageModel.forward``."""
        inputs = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ids"}
        return {**inputs, "sample_ids": self.ids}

    def embedding_inputs(self) -> dict[str, Any]:
        """Keyword arguments of ``VisionLanguageModel.embed_inputs``."""
        inputs = self.model_inputs()
        return {name: value for name, value in inputs.items() if name not in ("attention_mask", "labels")}


def collate(samples: Sequence[Encoded], pad_id: int, instruction_pad_id: int = 0, side: Side = "right") -> Batch:
    """Pad samples to one batch.

    Args:
        pad_id, instruction_pad_id: what stands at padded places; masked, so the value does not matter to results.
        side: "right" for training, "left" for generation, where new tokens follow the last column.
    """
    if not samples:
        raise ValueError("A batch needs at least one sample, got none.")
    input_ids, mask = pad([sample.input_ids for sample in samples], pad_id, side)
    labels = instruction_ids = instruction_mask = None
    if samples[0].labels is not None:
        labels, _ = pad([sample.labels or [] for sample in samples], IGNORE, side)
    rows = [s.instruction_ids for s in samples if s.instruction_ids is not None for _ in range(s.num_images)]
    if rows:
        instruction_ids, instruction_mask = pad(rows, instruction_pad_id, "right")
    pixels = [s.pixel_values for s in samples if s.pixel_values is not None]
    features = [s.image_features for s in samples if s.image_features is not None]
    if pixels and features:
        raise ValueError("A batch holds either pixel_values or cached image_features, not both; encode all one way.")
    return Batch(
        ids=[sample.id for sample in samples],
        input_ids=input_ids,
        attention_mask=mask,
        labels=labels,
        pixel_values=torch.cat(pixels) if pixels else None,
        image_features=torch.cat(features) if features else None,
        instruction_ids=instruction_ids,
        instruction_mask=instruction_mask,
    )


def pad(rows: Sequence[list[int]], value: int, side: Side) -> tuple[Tensor, Tensor]:
    """Token lists as one [B, L] tensor and its mask (1 = real)."""
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), value, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(0, len(row)) if side == "right" else slice(length - len(row), length)
        ids[index, place] = torch.tensor(row, dtype=torch.long)
        mask[index, place] = 1
    return ids, mask
