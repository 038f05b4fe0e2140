"""Pictures with one caption each, as BLIP-2's first stage reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vistune.data.bad_rows import BadRow, Reason
from vistune.data.batch import Encoded, pad
from vistune.data.captions import CaptionedSet
from vistune.data.features.keys import name_digest, picture_names
from vistune.data.images import count_images, open_images, pixel_values
from vistune.data.targets import Targets
from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.data.example import Example, ImageRef

MAX_CAPTION_TOKENS = 32
# Stands in place of the first token of a caption that is generated; LAVIS adds it to BERT's tokenizer (blip2.py).
DECODER_TOKEN = "[DEC]"


@dataclass(frozen=True)
class PairBatch:
    """What Stage1Model reads.

    text_ids, text_mask [B, L]; pixel_values [B, 3, H, W] or image_features [B, P, D]; image_groups [B]: equal where
    pairs show the same picture, None where all differ.
    """

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

    def with_pixels(self, change: Callable[[Tensor], Tensor]) -> PairBatch:
        """The same batch with its pixels, if it has any, changed."""
        return self if self.pixel_values is None else replace(self, pixel_values=change(self.pixel_values))

    def model_inputs(self) -> dict[str, Any]:
        """Keyword arguments of ``Stage1Model.forward``."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ids"}

    @property
    def num_learned(self) -> int:
        """Number of tokens that captioning is a sum over: all but the first of each caption."""
        return int(self.text_mask[:, 1:].sum())

    def _each(self, change: Callable[[Tensor], Tensor]) -> PairBatch:
        changed: dict[str, Any] = {n: change(value) for n, value in self.model_inputs().items() if value is not None}
        return replace(self, **changed)


class PairSet(CaptionedSet):
    """Captioned pictures for the first stage.

    Args:
        name, examples, seed, targets: see `CaptionedSet`; the examples have one picture each.
        tokenizer: the Q-Former's. max_tokens: of a caption.
    """

    def __init__(
        self,
        name: str,
        examples: Sequence[Example],
        tokenizer: Any,
        max_tokens: int = MAX_CAPTION_TOKENS,
        seed: int = 0,
        targets: Targets = "as_written",
    ) -> None:
        super().__init__(name, examples, seed, targets)
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The caption as token list, its picture as reference: a function of index, epoch and seed alone.

        Raises:
            BadRow: a row without caption or picture, or with several pictures.
        """
        example, caption = self.draw(index, epoch)
        if count_images(example.images) != 1:
            raise BadRow(
                Reason.MISSING_IMAGE,
                f"the row {example.id!r} of {self.name!r} has {count_images(example.images)} pictures, expected one.",
            )
        return Encoded(example.id, caption_ids(caption, self.tokenizer, self.max_tokens), images=example.images)


@dataclass(frozen=True)
class PairProcessor:
    """What a first stage reads pictures and texts with.

    Args:
        tokenizer: the Q-Former's, with [DEC]. image_processor: of transformers, on its PIL backend.
        max_tokens: of a text (LAVIS: max_txt_len 32).
    """

    tokenizer: Any
    image_processor: Any
    max_tokens: int = MAX_CAPTION_TOKENS

    @property
    def pad_id(self) -> int:
        """What stands behind shorter texts."""
        pad_id = self.tokenizer.pad_token_id
        return 0 if pad_id is None else int(pad_id)

    def encode(self, images: Sequence[ImageRef], captions: Sequence[str]) -> PairBatch:
        """Pictures with their captions as one batch."""
        pairs = zip(images, captions, strict=True)
        samples = [
            self.load(Encoded(f"row {row}", caption_ids(caption, self.tokenizer, self.max_tokens), images=(image,)))
            for row, (image, caption) in enumerate(pairs)
        ]
        return self.collate(samples)

    def load(self, encoded: Encoded) -> Encoded:
        """The sample with the pixels of its picture, opened and prepared now.

        Raises:
            ImageError: it cannot be opened.
        """
        return replace(encoded, pixel_values=pixel_values(open_images(encoded.images), self.image_processor))

    def collate(self, samples: Sequence[Encoded]) -> PairBatch:
        """Samples as one batch."""
        return collate_pairs(samples, self.pad_id)


def add_decoder_token(tokenizer: Any) -> int:
    """The id of [DEC], added where the tokenizer does not have it: as BOS if there is none (BERT), as in LAVIS."""
    if DECODER_TOKEN not in tokenizer.get_vocab():
        if tokenizer.bos_token is None:
            tokenizer.add_special_tokens({"bos_token": DECODER_TOKEN})
        else:
            added = {"extra_special_tokens": [DECODER_TOKEN]}
            tokenizer.add_special_tokens(added, replace_extra_special_tokens=False)
    return decoder_token_id(tokenizer)


def decoder_token_id(tokenizer: Any) -> int:
    """The id of [DEC].

    Raises:
        InputError: the tokenizer does not have it.
    """
    number = tokenizer.get_vocab().get(DECODER_TOKEN)
    if number is None:
        raise InputError(
            f"The Q-Former's tokenizer has no {DECODER_TOKEN}, which opens captions that are generated; add it with "
            "add_decoder_token."
        )
    return int(number)


def caption_ids(caption: str, tokenizer: Any, max_tokens: int = MAX_CAPTION_TOKENS) -> list[int]:
    """``[CLS] caption [SEP]`` in the Q-Former's tokenizer, the caption cut behind so that all are ``max_tokens``.

    A tokenizer that is not of BERT's kind opens with its BOS and closes with its EOS.
    """
    opens = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    closes = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    words: list[int] = tokenizer(caption, add_special_tokens=False)["input_ids"]
    return [opens, *words[: max_tokens - 2], closes]


def collate_pairs(samples: Sequence[Encoded], pad_id: int = 0) -> PairBatch:
    """Pad captions to the longest one; samples that refer to the same picture are of one group.

    Args:
        samples: one image each; ``input_ids`` from :func:`caption_ids`.

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
        image_groups=_groups(samples),
    )


def _groups(samples: Sequence[Encoded]) -> Tensor | None:
    """A number of each sample's picture, the same in every process; None where samples do not say which they are."""
    if any(len(sample.images) != 1 for sample in samples):
        return None
    digests = [name_digest(picture_names(sample.images[0])[0]) for sample in samples]
    return torch.tensor([int.from_bytes(digest[:8]) >> 1 for digest in digests])
