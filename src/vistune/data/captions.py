"""Captions as BLIP-2's second stage gives them to an encoder-decoder (section 3.3): prefix language modelling.

A caption is cut in two: its beginning stands behind the image in the encoder, its end is the target. Decoders learn
whole captions instead, as any answers: closed by a newline for OPT (LAVIS blip2_opt.py; the conversation format
"plain"), by EOS for Vicuna ("none").
"""

from __future__ import annotations

from collections.abc import Sequence

from vistune.data.bad_rows import BadRow, Reason
from vistune.data.batch import IGNORE, Encoded
from vistune.data.example import Example
from vistune.data.images import count_images
from vistune.data.processor import Processor
from vistune.data.targets import Targets, target_words
from vistune.data.templates.draw import pick
from vistune.errors import InputError


class CaptionedSet:
    """A named set of captioned pictures. Small, picklable, and the same in every worker.

    Args:
        name: of the set. examples: with captions as ``answers`` (one is drawn each epoch) or ``target``.
        seed: of captions drawn. targets: how they are put.
    """

    def __init__(self, name: str, examples: Sequence[Example], seed: int = 0, targets: Targets = "as_written") -> None:
        self.name = name
        self.examples = examples
        self.seed = seed
        self.targets = targets

    def __len__(self) -> int:
        return len(self.examples)

    def draw(self, index: int, epoch: int = 0) -> tuple[Example, str]:
        """A row and one of its captions: a function of index, epoch and seed alone.

        Raises:
            BadRow: a row without caption or picture.
        """
        example = self.examples[index]
        written = example.answers or (() if example.target is None else (example.target,))
        drawn = written[pick(len(written), "caption", self.seed, epoch, example.id)] if written else ""
        caption = target_words(drawn.strip(), self.targets)
        if not caption:
            raise BadRow(Reason.EMPTY_ANSWER, f"the row {example.id!r} of {self.name!r} has no caption to learn.")
        if not example.images:
            raise BadRow(Reason.MISSING_IMAGE, f"the row {example.id!r} of {self.name!r} has no picture.")
        return example, caption


class PrefixSet(CaptionedSet):
    """Captioned pictures of which the beginning of a caption is given and its end learned.

    Args:
        name, examples, seed, targets: see `CaptionedSet`; the cuts are drawn from the seed too.
        processor: of a model that reads the image first (BLIP-2, InstructBLIP). An encoder-decoder reads the prefix and
            learns the suffix (BLIP-2 section 3.3); a decoder reads it in front of the suffix, which it learns.
        max_tokens: of beginning and end each; longer ones lose words behind and keep EOS, as T5's tokenizer cuts
            (LAVIS: max_txt_len 32).

    Raises:
        InputError: another kind of model.
    """

    def __init__(
        self,
        name: str,
        examples: Sequence[Example],
        processor: Processor,
        max_tokens: int = 32,
        seed: int = 0,
        targets: Targets = "as_written",
    ) -> None:
        super().__init__(name, examples, seed, targets)
        if not processor.image_first:
            raise InputError(
                f"The set {name!r} is to be learned as prefix and suffix, which needs a model that reads the image "
                "first; for this model take the objective 'answers' with the format 'plain' or 'none'."
            )
        self.processor = processor
        self.max_tokens = max_tokens

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The sample as token lists, its pictures as references: a function of index, epoch and seed alone.

        Raises:
            BadRow: a row without caption or picture.
        """
        example, caption = self.draw(index, epoch)
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


def cut_caption(caption: str, seed: int, epoch: int, id: str) -> tuple[str, str]:
    """Prefix and suffix, cut between two words drawn from seed, epoch and id.

    Every place is as likely, before the first word too, so that captions are also learned from the image alone; the
    suffix has a word at least. How the paper drew it is not published.
    """
    words = caption.split()
    place = pick(len(words), "cut", seed, epoch, id)
    return " ".join(words[:place]), " ".join(words[place:])
