"""Examples as token lists, made anew from seed and epoch whenever they are asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from vistune.data.bad_rows import BadRow, Reason
from vistune.data.batch import IGNORE, Encoded
from vistune.data.example import Example
from vistune.data.instruct import Instructor, SplitTurns
from vistune.data.processor import Processor
from vistune.data.targets import Targets, with_target_words
from vistune.data.templates.template import Template

logger = logging.getLogger(__name__)


class InstructionSet:
    """A named data set to learn from. Small, picklable, and the same in every worker.

    Args:
        name: of the data set.
        examples: raw rows, or rows in words of their own.
        processor: of the model.
        templates: to draw instructions from (`load_templates`); empty: rows keep their own words.
        format: conversation format; None: the checkpoint's own.
        seed: of templates and answers drawn.
        max_tokens: longer samples lose their end, as LLaVA trains (train.py: model_max_length); None: none do.
        turns: "whole" makes one sample of a conversation, "split" one of each turn.
        with_targets: False leaves the answers out, to predict them.
        targets: how answers that are learned are put.
    """

    def __init__(
        self,
        name: str,
        examples: Sequence[Example],
        processor: Processor,
        templates: Sequence[Template] = (),
        format: str | None = None,
        seed: int = 0,
        max_tokens: int | None = None,
        turns: Literal["whole", "split"] = "whole",
        with_targets: bool = True,
        targets: Targets = "as_written",
    ) -> None:
        self.name = name
        self.examples = SplitTurns(examples) if turns == "split" else examples
        self.processor = processor
        self.format = format
        self.max_tokens = max_tokens
        self.targets = targets
        self._instructor = Instructor(tuple(templates), seed)
        self._with_targets = with_targets
        self._told = False

    def __len__(self) -> int:
        return len(self.examples)

    def example(self, index: int, epoch: int = 0) -> Example:
        """The row in words: instruction and target, or turns.

        Raises:
            BadRow: a template needs what the row has not, or there is no answer to learn from.
        """
        written = with_target_words(self._instructor(self.examples[index], epoch), self.targets)
        if not self._with_targets:
            return replace(written, target=None)
        if not written.turns and not written.target:
            raise BadRow(Reason.EMPTY_ANSWER, f"the row {written.id!r} of {self.name!r} has no answer to learn from.")
        return written

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The sample as token lists, its pictures as references: a function of index, epoch and seed alone.

        Raises:
            BadRow: a row that cannot be used. DataError: the tokenizer does not fit the format.
        """
        return self._cut(self.processor.encode_example(self.example(index, epoch), self.format))

    def _cut(self, encoded: Encoded) -> Encoded:
        """At most ``max_tokens`` tokens; pictures and something to learn must remain."""
        limit = self.max_tokens
        if limit is None or len(encoded.input_ids) <= limit:
            return encoded
        ids = encoded.input_ids[:limit]
        # An encoder-decoder's labels stand apart from its input.
        apart = encoded.labels is None or self.processor.encoder_decoder
        labels = encoded.labels if apart else (encoded.labels or [])[:limit]
        lost = encoded.input_ids[limit:].count(self.processor.image_token_id)
        if lost or (labels is not None and all(label == IGNORE for label in labels)):
            what = "a picture" if lost else "every answer"
            raise BadRow(
                Reason.MISSING_FIELD,
                f"the row {encoded.id!r} of {self.name!r} has {len(encoded.input_ids)} tokens and would lose {what} if "
                f"cut to {limit}; allow more tokens, or leave the row out.",
            )
        if not self._told:
            self._told = True
            logger.warning(
                "%s: samples longer than %d tokens are cut at their end, first %r (%d)",
                self.name,
                limit,
                encoded.id,
                len(encoded.input_ids),
            )
        return replace(encoded, input_ids=ids, labels=labels)
