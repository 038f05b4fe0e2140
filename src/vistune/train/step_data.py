"""The samples of one step as micro-batches of this process, made by a worker of the loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from vistune.data.batch import IGNORE, Batch, Encoded
from vistune.data.mixture import Draw
from vistune.data.packing import packed_rows
from vistune.data.pairs import PairBatch, collate_pairs
from vistune.data.plans import Plan
from vistune.errors import RecipeError
from vistune.model.losses import shift_labels

if TYPE_CHECKING:
    from vistune.data.processor import Processor

Row = TypeVar("Row")
Drawn = tuple[Encoded, Draw]


@dataclass(frozen=True)
class StepData:
    """This process's share of a step.

    Args:
        batches: micro-batches. ids, draws: of the samples, in the order of the batches.
        learned: of each micro-batch [n]: which sample (an index into ``ids``) each learned token is of, in the order of
            the targets, row by row; none for pairs.
        num_learned: learned tokens. num_tokens: tokens of inputs and targets, without padding.
    """

    batches: tuple[Batch | PairBatch, ...]
    draws: tuple[Draw, ...]
    learned: tuple[Tensor, ...]
    num_learned: int
    num_tokens: int

    @property
    def ids(self) -> list[str]:
        """Names of the samples."""
        return [name for batch in self.batches for name in batch.ids]

    def pin_memory(self) -> StepData:
        """The same in pinned memory, from where a GPU copies while the processor goes on."""
        learned = tuple(tensor.pin_memory() for tensor in self.learned)
        return replace(self, batches=tuple(batch.pin_memory() for batch in self.batches), learned=learned)

    def with_pixels(self, change: Callable[[Tensor], Tensor]) -> StepData:
        """The same with its pixels, if it has any, changed."""
        return replace(self, batches=tuple(batch.with_pixels(change) for batch in self.batches))

    def answer_batches(self, count: int) -> Iterator[tuple[Batch, Tensor]]:
        """``count`` micro-batches with their ``learned``; behind the own ones such that nothing is learned from.

        Raises:
            RecipeError: these are pairs.
        """
        own = [_answers(batch) for batch in self.batches]
        yield from zip(own, self.learned, strict=True)
        smallest = min(own, key=lambda batch: batch.input_ids.numel())
        for _ in range(count - len(self.batches)):
            labels = None if smallest.labels is None else torch.full_like(smallest.labels, IGNORE)
            yield replace(smallest, labels=labels), self.learned[0][:0]

    def pair_batches(self) -> list[PairBatch]:
        """Micro-batches of pairs.

        Raises:
            RecipeError: these are not pairs.
        """
        pairs = [batch for batch in self.batches if isinstance(batch, PairBatch)]
        if len(pairs) != len(self.batches):
            raise RecipeError("The objective blip2_stage1 learns from pairs of picture and caption; give it those.")
        return pairs


class CollateAnswers:
    """Micro-batches of samples with answers: packed rows, or rows of similar length together.

    Args:
        processor: of the model. micro_batch_size: rows of a micro-batch; None: all in one.
    """

    def __init__(self, processor: Processor, micro_batch_size: int | None) -> None:
        self._processor = processor
        self._size = micro_batch_size

    def __call__(self, plan: Plan, samples: Sequence[Encoded | None]) -> StepData | None:
        """None if no sample is left.

        Raises:
            RecipeError: a sample has no answer. InputError: it is longer than a packed row.
        """
        good = [(sample, draw) for sample, draw in zip(samples, plan.draws, strict=True) if sample is not None]
        for sample, _ in good:
            if sample.labels is None:
                raise RecipeError(f"Sample {sample.id} has no answer to learn from; give examples with targets.")
        if not good:
            return None
        two_sided = self._processor.encoder_decoder
        if plan.size is not None:
            drawn = {id(sample): draw for sample, draw in good}
            rows = packed_rows([sample for sample, _ in good], plan.size, two_sided)
            chunks = _chunks([[(sample, drawn[id(sample)]) for sample in row] for row in rows], self._size)
            batches = [self._processor.pack([[sample for sample, _ in row] for row in chunk]) for chunk in chunks]
            draws = [draw for chunk in chunks for row in chunk for _, draw in row]
        else:
            if self._size is not None and self._size < len(good):
                good.sort(key=_length)
            padded = _chunks(good, self._size)
            batches = [self._processor.collate([sample for sample, _ in chunk]) for chunk in padded]
            draws = [draw for _, draw in good]
        learned = _learned(batches, two_sided)
        tokens = sum(_num_tokens(batch, two_sided) for batch in batches)
        return StepData(tuple(batches), tuple(draws), learned, sum(map(len, learned)), tokens)


class CollatePairs:
    """Micro-batches of pictures with one caption each, in the order drawn, of one size in every process.

    A pair that cannot be used is replaced by the good one before it, which counts as the same picture.

    Args:
        pad_id: of the Q-Former's tokenizer. micro_batch_size: pairs of a micro-batch; None: all in one.
    """

    def __init__(self, pad_id: int, micro_batch_size: int | None) -> None:
        self._pad_id = pad_id
        self._size = micro_batch_size

    def __call__(self, plan: Plan, samples: Sequence[Encoded | None]) -> StepData | None:
        """None if no sample is left."""
        drawn: list[Drawn | None] = [
            None if sample is None else (sample, draw) for sample, draw in zip(samples, plan.draws, strict=True)
        ]
        last = next((pair for pair in drawn if pair is not None), None)
        if last is None:
            return None
        pairs: list[Drawn] = []
        for pair in drawn:
            last = last if pair is None else pair
            pairs.append(last)
        chunks = _chunks(pairs, self._size)
        batches = [collate_pairs([sample for sample, _ in chunk], self._pad_id) for chunk in chunks]
        learned = sum(batch.num_learned for batch in batches)
        tokens = sum(int(batch.text_mask.sum()) for batch in batches)
        return StepData(tuple(batches), tuple(draw for _, draw in pairs), (), learned, tokens)


def _answers(batch: Batch | PairBatch) -> Batch:
    if not isinstance(batch, Batch):
        raise RecipeError("Pairs of picture and caption are learned from by the objective blip2_stage1 only.")
    return batch


def _chunks(rows: Sequence[Row], size: int | None) -> list[Sequence[Row]]:
    size = size or len(rows)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _length(drawn: Drawn) -> int:
    return len(drawn[0].input_ids)


def _learned(batches: Sequence[Batch], encoder_decoder: bool) -> tuple[Tensor, ...]:
    """Which sample each learned token of each micro-batch is of."""
    first, found = 0, []
    for batch in batches:
        found.append(first + learned_samples(batch, encoder_decoder))
        first += len(batch)
    return tuple(found)


def learned_samples(batch: Batch, encoder_decoder: bool) -> Tensor:
    """Which sample of the batch (an index into its ``ids``) each learned token is of, [n], row by row."""
    if batch.labels is None:
        return torch.zeros(0, dtype=torch.long)
    segments = batch.target_segments if encoder_decoder else batch.segment_ids
    targets = batch.labels if encoder_decoder else shift_labels(batch.labels, segments)
    rows, columns = (targets != IGNORE).nonzero(as_tuple=True)
    if segments is None:
        return rows
    counts = segments.amax(1)
    before = counts.cumsum(0) - counts
    return before[rows] + segments[rows, columns] - 1


def _num_tokens(batch: Batch, encoder_decoder: bool) -> int:
    real = int(batch.attention_mask.sum())
    if encoder_decoder and batch.labels is not None:
        real += int((batch.labels != IGNORE).sum())
    return real
