"""The first samples of a stage in words: what the model is given, and what it learns from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vistune.data.batch import IGNORE, Batch
from vistune.data.pairs import PairBatch, PairProcessor

if TYPE_CHECKING:
    from vistune.data.processor import Processor
    from vistune.train.step_data import StepData

FIRST_BATCH_FILE = "first_batch.txt"


def decoded_samples(data: StepData, processor: Processor | PairProcessor) -> Iterator[tuple[str, str]]:
    """(id, words) of every sample of a step, read back from the tensors that the model gets."""
    for batch in data.batches:
        if isinstance(batch, PairBatch):
            yield from _pairs(batch, processor.tokenizer)
        elif not isinstance(processor, PairProcessor):
            yield from zip(batch.ids, _answers(batch, processor), strict=True)


def _pairs(batch: PairBatch, tokenizer: Any) -> Iterator[tuple[str, str]]:
    for name, ids, mask in zip(batch.ids, batch.text_ids, batch.text_mask, strict=True):
        yield name, f"a picture, learned {tokenizer.decode(ids[mask.bool()].tolist())!r}"


def _answers(batch: Batch, processor: Processor) -> Iterator[str]:
    for row in range(len(batch.input_ids)):
        segments = None if batch.segment_ids is None else batch.segment_ids[row]
        numbers = [1] if segments is None else range(1, int(segments.max()) + 1)
        for number in numbers:
            real = batch.attention_mask[row].bool() if segments is None else segments == number
            ids = batch.input_ids[row][real].tolist()
            labels = _labels(batch, row, number, real, processor.encoder_decoder)
            if processor.encoder_decoder:
                flags = [False] * len(ids) + [True] * len(labels)
                ids = ids + labels
            else:
                flags = [label != IGNORE for label in labels]
            yield _words(ids, flags, processor)


def _labels(batch: Batch, row: int, number: int, real: Tensor, encoder_decoder: bool) -> list[int]:
    if batch.labels is None:
        return [] if encoder_decoder else [IGNORE] * int(real.sum())
    labels = batch.labels[row]
    if encoder_decoder:
        real = labels != IGNORE if batch.target_segments is None else batch.target_segments[row] == number
    kept: list[int] = labels[real].tolist()
    return kept


def _words(ids: list[int], learned: list[bool], processor: Processor) -> str:
    """ "32 image tokens, given 'what is it?', learned 'a cat</s>'", in the order of the text."""
    image = processor.image_token_id
    parts = []
    for (is_image, is_learned), run in groupby(
        zip(ids, learned, strict=True), key=lambda pair: (pair[0] == image, pair[1])
    ):
        tokens = [token for token, _ in run]
        if is_image:
            parts.append(f"{len(tokens)} image tokens")
        else:
            parts.append(f"{'learned' if is_learned else 'given'} {processor.tokenizer.decode(tokens)!r}")
    return ", ".join(parts)
