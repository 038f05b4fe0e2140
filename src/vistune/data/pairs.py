"""Pictures with one caption each, as BLIP-2's first stage reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from vistune.data.batch import Encoded, pad

MAX_CAPTION_TOKENS = 32


@dataclass(frozen=True)
class PairBatch:
    """What Stage1Model reads. text_ids, text_mask [B, L]; pixel_values [B, 3, H, W] or image_features [B, P, D];
    image_groups [B]: equal where pairs show the same picture, None where all differ.
    """  # noqa: D205

    ids: list[str]
    text_ids: Tensor
    text_mask: Tensor
    pixel_values: Tensor | None = None
    image_features: Tensor | None = None
    image_groups: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> PairBatch:
        """The same batch with its tensors on ``device``."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=tensor.is_pinned()))

    def pin_memory(self) -> PairBatch:
        """The same batch in pinned memory."""
        return self._each(lambda tensor: tensor.pin_memory())

    def model_inputs(self) -> dict[str, Any]:
        """Keyword arguments of ``Stage1Model.forward``."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ids"}

    @property
    def num_learned(self) -> int:
        """Number of tokens that captioning is a sum over: all but the first of each caption."""
        return int(self.text_mask[:, 1:].sum())

    def _each(self, change: Callable[[Tensor], Tensor]) -> PairBatch:
        tensors = {name: value for name, value in self.model_inputs().items() if value is not None}
        return replace(self, **{name: change(value) for name, value in tensors.items()})


def caption_ids(caption: str, tokenizer: Any, max_tokens: int = MAX_CAPTION_TOKENS) -> list[int]:
    """``[CLS] caption [SEP]`` in the Q-Former's tokenizer, cut behind to ``max_tokens`` (LAVIS: max_txt_len 32)."""
    ids: list[int] = tokenizer(caption, truncation=True, max_length=max_tokens)["input_ids"]
    return ids


def collate_pairs(samples: Sequence[Encoded], groups: Sequence[int] | None = None, pad_id: int = 0) -> PairBatch:
    """Pad captions to the longest one.

    Args:
        samples: one image each; ``input_ids`` from :func:`caption_ids`. groups: numbers of their pictures.

    Raises:
        ValueError: no samples, or one without exactly one image.
    """
    wrong = [sample.id for sample in samples if sample.num_images != 1]
    if not samples or wrong:
        raise ValueError(f"Pairs have one image each; expected that of {', '.join(wrong) or 'at least one sample'}.")
    text_ids, text_mask = pad([sample.input_ids for sample in samples], pad_id, "right")
    pixels = [sample.pixel_values for sample in samples if sample.pixel_values is not None]
    features = [sample.image_features for sample in samples if sample.image_features is not None]
    if pixels and features:
        raise ValueError("A batch holds either pixel_values or cached image_features, not both; encode all one way.")
    return PairBatch(
        ids=[sample.id for sample in samples],
        text_ids=text_ids,
        text_mask=text_mask,
        pixel_values=torch.cat(pixels) if pixels else None,
        image_features=torch.cat(features) if features else None,
        image_groups=None if groups is None else torch.tensor(groups),
    )
