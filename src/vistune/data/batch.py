"""Encoded samples and the batch they make. Named tensors, nothing hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.utils.data import default_collate

from vistune.data.images import count_images

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

from vistune.model import losses

IGNORE = losses.IGNORE
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
        images: the pictures in reading order while they are not opened yet (`Processor.load` does).
    """

    id: str
    input_ids: list[int]
    labels: list[int] | None = None
    instruction_ids: list[int] | None = None
    pixel_values: Tensor | None = None
    image_features: Tensor | None = None
    images: tuple[ImageRef, ...] = ()

    @property
    def num_images(self) -> int:
        """Number of images of this sample; a video counts as its frames."""
        source = self.pixel_values if self.pixel_values is not None else self.image_features
        return count_images(self.images) if source is None else source.shape[0]


@dataclass(frozen=True)
class Batch:
    """What the model reads. B rows, N images of all rows in reading order.

    input_ids, attention_mask [B, L]; labels [B, L] or [B, T]; pixel_values [N, 3, H, W] or image_features [N, P, D];
    instruction_ids, instruction_mask [N, Lq], one row an image (video frames repeat their instruction).
    Where rows hold several samples, segment_ids [B, L] and, for encoder-decoders, target_segments [B, T] number them in
    each row 1, 2, ... (0: padding); ``ids`` names the samples in reading order.
    """

    ids: list[str]
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor | None = None
    pixel_values: Tensor | None = None
    image_features: Tensor | None = None
    instruction_ids: Tensor | None = None
    instruction_mask: Tensor | None = None
    segment_ids: Tensor | None = None
    target_segments: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on ``device``, without waiting for those in pinned memory."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=tensor.is_pinned()))

    def pin_memory(self) -> Batch:
        """The same batch in pinned memory, from where a GPU copies while the processor goes on."""
        return self._each(lambda tensor: tensor.pin_memory())

    def with_pixels(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with its pixels, if it has any, changed."""
        return self if self.pixel_values is None else replace(self, pixel_values=change(self.pixel_values))

    def model_inputs(self) -> dict[str, Any]:
        """Keyword arguments of ``VisionLanguageModel.forward``."""
        return {**self._tensors(), "sample_ids": self.ids}

    def embedding_inputs(self) -> dict[str, Any]:
        """Keyword arguments of ``VisionLanguageModel.embed_inputs``."""
        left_out = ("attention_mask", "labels", "target_segments")
        return {name: value for name, value in self.model_inputs().items() if name not in left_out}

    def num_learned(self, encoder_decoder: bool) -> int:
        """Number of tokens that the loss is a sum over."""
        if self.labels is None:
            return 0
        targets = self.labels if encoder_decoder else losses.shift_labels(self.labels, self.segment_ids)
        return int((targets != IGNORE).sum())

    def fill(self, encoder_decoder: bool) -> float:
        """Share of the positions, of inputs and of an encoder-decoder's targets, that hold a token and not padding."""
        real, places = int(self.attention_mask.sum()), self.attention_mask.numel()
        if encoder_decoder and self.labels is not None:
            targets = self.labels != IGNORE if self.target_segments is None else self.target_segments > 0
            real, places = real + int(targets.sum()), places + targets.numel()
        return real / places

    def _tensors(self) -> dict[str, Tensor | None]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ids"}

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed: dict[str, Any] = {n: change(value) for n, value in self._tensors().items() if value is not None}
        return replace(self, **changed)


def collate(samples: Sequence[Encoded], pad_id: int, instruction_pad_id: int = 0, side: Side = "right") -> Batch:
    """Pad samples to one batch.

    Args:
        pad_id, instruction_pad_id: what stands at padded places; masked, so the value does not matter to results.
        side: "right" for training, "left" for generation, where new tokens follow the last column.
    """
    if not samples:
        raise ValueError("A batch needs at least one sample, got none.")
    input_ids, mask = pad([sample.input_ids for sample in samples], pad_id, side)
    labels = None
    if samples[0].labels is not None:
        labels, _ = pad([sample.labels or [] for sample in samples], IGNORE, side)
    return Batch(
        ids=[sample.id for sample in samples],
        input_ids=input_ids,
        attention_mask=mask,
        labels=labels,
        **_images(samples, instruction_pad_id),
    )


def pack(
    rows: Sequence[Sequence[Encoded]],
    pad_id: int,
    instruction_pad_id: int = 0,
    encoder_decoder: bool = False,
    length: int | None = None,
    target_length: int | None = None,
) -> Batch:
    """Several samples to a row, one behind the other, as vistune.model.segments describes.

    Args:
        rows: samples with labels, in their places. encoder_decoder: labels are targets in rows of their own.
        length, target_length: of all rows; None: of the longest one.

    Raises:
        ValueError: no samples, or a row longer than ``length``.
    """
    samples = [sample for row in rows for sample in row]
    if not samples or any(sample.labels is None for sample in samples):
        raise ValueError("Packed rows need at least one sample, and all with labels; use collate to predict.")
    input_ids, segment_ids = _join([[sample.input_ids for sample in row] for row in rows], pad_id, length)
    targets = [[sample.labels or [] for sample in row] for row in rows]
    labels, target_segments = _join(targets, IGNORE, target_length if encoder_decoder else length)
    return Batch(
        ids=[sample.id for sample in samples],
        input_ids=input_ids,
        attention_mask=(segment_ids > 0).long(),
        labels=labels,
        segment_ids=segment_ids,
        target_segments=target_segments if encoder_decoder else None,
        **_images(samples, instruction_pad_id),
    )


def _join(rows: Sequence[Sequence[list[int]]], value: int, length: int | None) -> tuple[Tensor, Tensor]:
    """Lists of a row behind each other, [B, L], and the number of the list at each place, [B, L]."""
    longest = max(sum(map(len, row)) for row in rows)
    if length is not None and longest > length:
        raise ValueError(
            f"A packed row has {longest} tokens, more than its {length}; give shorter rows or longer ones."
        )
    ids = torch.full((len(rows), length or longest), value, dtype=torch.long)
    segments = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        tokens = [token for tokens in row for token in tokens]
        numbers = [number for number, tokens in enumerate(row, start=1) for _ in tokens]
        ids[index, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        segments[index, : len(tokens)] = torch.tensor(numbers, dtype=torch.long)
    return ids, segments


def _images(samples: Sequence[Encoded], instruction_pad_id: int) -> dict[str, Tensor | None]:
    """The fields of a batch that belong to its images."""
    instruction_ids = instruction_mask = None
    rows = [s.instruction_ids for s in samples if s.instruction_ids is not None for _ in range(s.num_images)]
    if rows:
        instruction_ids, instruction_mask = pad(rows, instruction_pad_id, "right")
    pixels = [s.pixel_values for s in samples if s.pixel_values is not None]
    features = [s.image_features for s in samples if s.image_features is not None]
    if pixels and features:
        raise ValueError("A batch holds either pixel_values or cached image_features, not both; encode all one way.")
    return {
        "pixel_values": _joined(pixels) if pixels else None,
        "image_features": _joined(features) if features else None,
        "instruction_ids": instruction_ids,
        "instruction_mask": instruction_mask,
    }


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """All images in one tensor; in a loader's worker straight in the memory shared with the process that trains."""
    joined: Tensor = default_collate([image for tensor in tensors for image in tensor])
    return joined


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
