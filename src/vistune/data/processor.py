"""Text and images to tensors and back: the same token ids as the checkpoint's transformers processor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from vistune.data.batch import IGNORE, Batch, Encoded, Side, collate, pack
from vistune.data.formats.chat_template import ChatTemplate
from vistune.data.formats.tokens import text_ids
from vistune.data.images import open_image, open_images, pixel_values
from vistune.data.plain_words import PlainWords
from vistune.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from vistune.data.example import Example, ImageRef

    Images = ImageRef | Sequence[ImageRef] | None

logger = logging.getLogger(__name__)


class Processor:
    """Tokenizer(s), image processor and prompt format of one checkpoint.

    Args:
        tokenizer: the language model's. image_processor: transformers' (PIL backend).
        image_token_id, num_image_tokens: the placeholder's id and how many stand for one image.
        image_first: placeholders before BOS (Q-Former types) or where ``<image>`` stands (LLaVA types).
        encoder_decoder: targets go to the decoder instead of following the prompt.
        qformer_tokenizer: given if the connector reads the instruction; at most ``max_instruction_tokens`` are kept.
        chat_template: Jinja; turns what the user says into the prompt (unless ``raw``). None: the words as they are,
            behind one ``<image>`` and a newline for each image if not image_first.
    """

    def __init__(
        self,
        tokenizer: Any,
        image_processor: Any,
        *,
        image_token_id: int,
        num_image_tokens: int,
        image_first: bool,
        encoder_decoder: bool = False,
        qformer_tokenizer: Any | None = None,
        max_instruction_tokens: int = 512,
        image_token: str = "<image>",
        chat_template: str | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.image_token_id = image_token_id
        self.num_image_tokens = num_image_tokens
        self.image_first = image_first
        self.encoder_decoder = encoder_decoder
        self.qformer_tokenizer = qformer_tokenizer
        self.max_instruction_tokens = max_instruction_tokens
        self.image_token = image_token
        self.chat_template = chat_template

    @property
    def pad_id(self) -> int:
        """What stands at padded places; masked everywhere, so any id serves where the tokenizer has none."""
        return int(next((i for i in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id) if i is not None), 0))

    @cached_property
    def plain_words(self) -> PlainWords:
        """Writes what rows say so that none of it is taken for a special token."""
        return PlainWords(self.tokenizer, self.qformer_tokenizer, image_token=self.image_token)

    def pixels(self, images: Images) -> Tensor | None:
        """One sample's pictures -> [n, 3, H, W]; None without pictures."""
        refs = as_image_list(images)
        return pixel_values([open_image(ref) for ref in refs], self.image_processor) if refs else None

    def format_prompt(self, prompt: str, num_images: int, raw: bool = False) -> str:
        """The text that is tokenised, with ``<image>`` where images go (LLaVA types).

        Raises:
            InputError: an empty prompt (raw allows it), or ``<image>`` marks that do not fit the number of images.
        """
        if raw:
            self._check_marks(prompt, num_images)
            return prompt
        if not prompt.strip():
            raise InputError("The prompt is empty; say what you want to know about the image.")
        if self.chat_template is None:
            marks = "" if self.image_first else (self.image_token + "\n") * num_images
            text = marks + prompt
        else:
            words = (self.image_token + "\n") * num_images + prompt
            text = self.chat_format().prompt([(words, None)], self.tokenizer)
        self._check_marks(text, num_images)
        return text

    def _check_marks(self, text: str, num_images: int) -> None:
        marks = text.count(self.image_token)
        expected = 0 if self.image_first else num_images
        if marks != expected:
            place = "before the prompt by itself" if self.image_first else f"where {self.image_token} stands"
            raise InputError(
                f"The prompt has {marks} {self.image_token} for {num_images} images, expected {expected}: this model "
                f"puts an image {place}."
            )

    def chat_format(self) -> ChatTemplate:
        """The checkpoint's chat template as a conversation format.

        Raises:
            InputError: it has none.
        """
        if self.chat_template is None:
            raise InputError("This checkpoint has no chat template; name a conversation format, such as 'v1'.")
        return ChatTemplate(self.chat_template, self.image_token)

    def prompt_ids(self, prompt: str, num_images: int, raw: bool = False) -> list[int]:
        """Token ids of one prompt, placeholders and special tokens included."""
        return self.formatted_ids(self.format_prompt(prompt, num_images, raw), num_images, raw)

    def formatted_ids(self, text: str, num_images: int, raw: bool = False) -> list[int]:
        """Token ids of a prompt that is formatted: what `format_prompt` returns, or a whole conversation."""
        if not self.image_first:
            text = text.replace(self.image_token, self.image_token * self.num_image_tokens)
        bos = self.tokenizer.bos_token
        # A chat template may write BOS itself; transformers then adds no special tokens either.
        special = raw or bos is None or not text.startswith(bos)
        ids = text_ids(self.tokenizer, text, special)
        if self.image_first:
            ids = [self.image_token_id] * (self.num_image_tokens * num_images) + ids
        return ids

    def instruction_ids(self, prompt: str) -> list[int] | None:
        """Token ids of the Q-Former's copy; the front is cut if it is too long (LAVIS: truncation_side left)."""
        if self.qformer_tokenizer is None:
            return None
        ids = text_ids(self.qformer_tokenizer, prompt)
        surplus = len(ids) - self.max_instruction_tokens
        if surplus <= 0:
            return ids
        cut = self.qformer_tokenizer.decode(ids[:surplus], skip_special_tokens=True)
        logger.warning(
            "The instruction has %d Q-Former tokens, %d are kept; cut from its front: %r",
            len(ids),
            self.max_instruction_tokens,
            cut if len(cut) <= 120 else cut[:100] + " ... " + cut[-20:],
        )
        return ids[surplus:]

    def target_ids(self, text: str, closing: bool = True) -> list[int]:
        """Tokens of an answer on its own, without special tokens but, if asked for, the closing token."""
        ids = text_ids(self.tokenizer, text, special=False)
        return [*ids, int(self.tokenizer.eos_token_id)] if closing else ids

    def encode_one(
        self,
        prompt: str,
        images: Images = None,
        target: str | None = None,
        raw: bool = False,
        id: str = "sample",
        image_features: Tensor | None = None,
    ) -> Encoded:
        """One sample as token lists; ``image_features`` [n, P, D] stand in for the pictures where they are cached."""
        pixels = self.pixels(images) if image_features is None else None
        num_images = len(as_image_list(images)) if image_features is None else image_features.shape[0]
        input_ids = self.prompt_ids(prompt, num_images, raw)
        labels: list[int] | None = None
        if target is not None:
            answer = self.target_ids(target)
            labels = answer if self.encoder_decoder else [IGNORE] * len(input_ids) + answer
            input_ids = input_ids if self.encoder_decoder else input_ids + answer
        return Encoded(
            id=id,
            input_ids=input_ids,
            labels=labels,
            instruction_ids=self.instruction_ids(prompt) if num_images else None,
            pixel_values=pixels,
            image_features=image_features,
        )

    def encode_example(self, example: Example, format: str | None = None) -> Encoded:
        """Tokens and labels of an example in a conversation format; see `vistune.data.encode.encode_example`."""
        from vistune.data.encode import encode_example

        return encode_example(self, example, format)

    def load(self, encoded: Encoded) -> Encoded:
        """The sample with the pixels of its pictures, opened and prepared now.

        Raises:
            ImageError: one of them cannot be opened.
        """
        if not encoded.images:
            return encoded
        return replace(encoded, pixel_values=pixel_values(open_images(encoded.images), self.image_processor))

    def collate(self, samples: Sequence[Encoded], side: Side = "right") -> Batch:
        """Samples as one padded batch."""
        return collate(samples, self.pad_id, self._instruction_pad_id, side)

    def pack(
        self, rows: Sequence[Sequence[Encoded]], length: int | None = None, target_length: int | None = None
    ) -> Batch:
        """Several samples to a row as one batch; see `vistune.data.batch.pack`."""
        return pack(rows, self.pad_id, self._instruction_pad_id, self.encoder_decoder, length, target_length)

    @property
    def _instruction_pad_id(self) -> int:
        pad_id = getattr(self.qformer_tokenizer, "pad_token_id", None)
        return 0 if pad_id is None else int(pad_id)

    def encode(
        self,
        images: Sequence[Images],
        prompts: Sequence[str],
        targets: Sequence[str] | None = None,
        raw: bool = False,
        side: Side = "right",
    ) -> Batch:
        """Prompts (and targets) with their pictures as one batch; ``images`` has one entry a prompt."""
        samples = [
            self.encode_one(prompt, image, None if targets is None else targets[row], raw, id=f"row {row}")
            for row, (image, prompt) in enumerate(zip(images, prompts, strict=True))
        ]
        return self.collate(samples, side)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of new tokens, without special tokens, stripped."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text.strip()


def as_image_list(images: Images) -> list[ImageRef]:
    """One picture, several, or none, as a list."""
    if images is None:
        return []
    return list(images) if isinstance(images, list | tuple) else [cast("ImageRef", images)]
