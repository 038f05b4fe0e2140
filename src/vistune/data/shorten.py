"""Instructions and targets cut to a length, as LAVIS does: instructions lose their beginning, targets their end.

LAVIS tokenises instruction and target apart, each with a length of its own (blip2_vicuna_instruct.py: max_txt_len 128
with truncation_side "left", max_output_txt_len 256), special tokens included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vistune.data.batch import IGNORE, Encoded

if TYPE_CHECKING:
    from vistune.data.plans import SampleSet
    from vistune.data.processor import Processor


class Shortened:
    """A set of samples with one instruction and one target each, cut to lengths.

    Args:
        samples: to cut. processor: of the model.
        max_instruction_tokens: tokens of an instruction that are kept, from its end; None: all. Where the tokenizer
            opens a text with a token, or closes it with one (T5), that one is kept and counts.
        max_target_tokens: of a target, from its beginning, the closing token with it; None: all. An encoder-decoder's
            target keeps its closing token in the last place.
    """

    def __init__(
        self,
        samples: SampleSet,
        processor: Processor,
        max_instruction_tokens: int | None,
        max_target_tokens: int | None,
    ) -> None:
        self.name = samples.name
        self._samples = samples
        self._processor = processor
        self._instruction = max_instruction_tokens
        self._target = max_target_tokens

    def __len__(self) -> int:
        return len(self._samples)

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The sample as token lists, cut."""
        sample = self._samples.tokens(index, epoch)
        labels = sample.labels
        if labels is None or self._several_answers(labels):
            return sample
        if self._processor.encoder_decoder:
            return replace(sample, input_ids=self._cut_instruction(sample.input_ids), labels=self._cut_closed(labels))
        begin = next((place for place, label in enumerate(labels) if label != IGNORE), len(labels))
        given = self._cut_instruction(sample.input_ids[:begin])
        target = sample.input_ids[begin:][: self._target]
        return replace(sample, input_ids=given + target, labels=[IGNORE] * len(given) + labels[begin:][: self._target])

    def _several_answers(self, labels: Sequence[int]) -> bool:
        """Whether something is given between two parts that are learned: a conversation, which is left as it is."""
        if self._processor.encoder_decoder:
            return False
        learned = [place for place, label in enumerate(labels) if label != IGNORE]
        return bool(learned) and learned[-1] - learned[0] + 1 != len(learned)

    def _cut_instruction(self, ids: list[int]) -> list[int]:
        image, limit = self._processor.image_token_id, self._instruction
        places = [place for place, token in enumerate(ids) if token == image]
        begin = places[-1] + 1 if places and self._processor.image_first else 0
        text = ids[begin:]
        # Where images stand in the text, cutting its beginning would take them away.
        if limit is None or len(text) <= limit or (places and not self._processor.image_first):
            return ids
        opening = [text[0]] if text[0] == self._processor.tokenizer.bos_token_id else []
        return ids[:begin] + opening + text[len(text) - limit + len(opening) :]

    def _cut_closed(self, labels: list[int]) -> list[int]:
        limit = self._target
        if limit is None or len(labels) <= limit:
            return labels
        return [*labels[: limit - 1], labels[-1]]
