"""Captions as BLIP-2's second stage gives them to an encoder-decoder (section 3.3): prefix language modelling.

A caption is cut in two: its beginning stands behind the image in the encoder, its end is the target. Decoders learn
whole captions instead, as any answers: closed by a newline for OPT (LAVIS blip2_opt.py; the conversation format
"plain"), by EOS for Vicuna ("none").
"""

from __future__ import annotations

from collections.abc import Sequence

from vistune.data.batch import IGNORE, Encoded
from vistune.data.example import Example
from vistune.data.images import count_images
from vistune.data.processor import Processor
from vistune.data.rows import BadRow, Reason
from vistune.data.templates.draw import pick
from vistune.errors import InputError


class PrefixSet:
    """A named set of captioned pictures to learn from. Small, picklable, and the same in every worker.

    Args:
        name: of the set. examples: with captions as ``answers`` (one is drawn each epoch) or ``target``.
        processor: of a model that reads the image first (BLIP-2, InstructBLIP). An encoder-decoder reads the prefix and
            learns the suffix (BLIP-2 section 3.3); a decoder reads it in front of the suffix, which it learns.
        max_tokens: of beginning and end each; longer ones lose words behind and keep EOS, as T5's tokenizer cuts
            (LAVIS: max_txt_len 32).
        seed: of captions and cuts drawn.

    Raises:
        InputError: another kind of model.
    """

    def __init__(
        self, name: str, examples: Sequence[Example], processor: Processor, max_tokens: int = 32, seed: int = 0
    ) -> None:
        if not processor.image_first:
            raise InputError(
                f"The set {name!r} is to be learned as prefix and suffix, which needs a model that reads the image "
                "first; for this model take the objective 'answers' with the format 'plain' or 'none'."
            )
        self.name = name
        self.examples = examples
        self.processor = processor
        self.max_tokens = max_tokens
        self.seed = seed

    def __len__(self) -> int:
        return len(self.examples)

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The sample as token lists, its pictures as references: a function of index, epoch and seed alone.

        Raises:
            BadRow: a row without caption or picture.
        """
        example = self.examples[index]
        caption = draw_caption(example, self.name, self.seed, epoch)
        prefix, suffix = cut_caption(caption, self.seed, epoch, example.id)
        num_images = count_images(example.images)
        places = self.processor.num_image_tokens * num_images
        given = _cut(self.processor.prompt_ids(prefix, num_images, raw=True), places + self.max_tokens)
        learned = _cut(self.processor.target_ids(suffix), self.max_tokens)
        apart = self.processor.encoder_decoder
        return Encoded(
            id=example.id,
            input_ids=given if apart else given + learned,
            labels=learned if apart else [IGNORE] * len(given) + learned,
            instruction_ids=self.processor.instruction_ids(""),
            images=example.images,
        )


def _cut(ids: list[int], most: int) -> list[int]:
    return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]


def draw_caption(example: Example, name: str, seed: int, epoch: int) -> str:
    """One of a picture's captions, drawn from seed, epoch and id.

    Args:
        name: of the set, for messages.

    Raises:
        BadRow: there is none, or no picture.
    """
    captions = example.answers or (() if example.target is None else (example.target,))
    caption = captions[pick(len(captions), "caption", seed, epoch, example.id)].strip() if captions else ""
    if not caption:
        raise BadRow(Reason.EMPTY_ANSWER, f"the row {example.id!r} of {name!r} has no caption to learn.")
    if not example.images:
        raise BadRow(Reason.MISSING_IMAGE, f"the row {example.id!r} of {name!r} has no picture.")
    return caption


def cut_caption(caption: str, seed: int, epoch: int, id: str) -> tuple[str, str]:
    """Prefix and suffix, cut between two words drawn from seed, epoch and id.

    Every place is as likely, before the first word too, so that captions are also learned from the image alone; the
    suffix has a word at least. How the paper drew it is not published.
    """
    words = caption.split()
    place = pick(len(words), "cut", seed, epoch, id)
    return " ".join(words[:place]), " ".join(words[place:])
