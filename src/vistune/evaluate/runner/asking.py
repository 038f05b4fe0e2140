"""Rows of a benchmark put to a model: in words, as tokens, and answered batch by batch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from vistune.errors import CheckpointError, InputError
from vistune.evaluate.runner.keys import distinct, row_keys, shared_picture_keys
from vistune.evaluate.runner.pictures import attach, with_features
from vistune.evaluate.runner.plan import Row, Window
from vistune.evaluate.runner.together import alike
from vistune.train.parallel.processes import Processes

if TYPE_CHECKING:
    from vistune.data.batch import Encoded
    from vistune.data.example import Example
    from vistune.data.processor import Processor
    from vistune.evaluate.benchmarks import Benchmark
    from vistune.evaluate.protocols import Protocol
    from vistune.evaluate.runner.store import Answered
    from vistune.infer.predictor import Predictor
    from vistune.infer.ranking import Ranking

# Of longer lists (answers of a whole data set) only the best candidates are scored and written down.
_FULL_LIST = 200
_KEPT = 20


@dataclass(frozen=True)
class How:
    """Way of answering and the arguments of ``Predictor.generate_encoded`` or ``rank_encoded``."""

    way: Literal["generate", "rank"]
    arguments: dict[str, Any]

    @classmethod
    def of(cls, protocol: Protocol, benchmark: Benchmark) -> How:
        """As a protocol has a benchmark answered."""
        if protocol.answering(benchmark) == "rank":
            return cls("rank", dict(protocol.ranking(benchmark)))
        return cls("generate", dict(protocol.decoding(benchmark)))


def rows_to_ask(
    processor: Processor, prompted: Sequence[Example], how: How, model: str, processes: Processes | None = None
) -> list[Row]:
    """Examples in words as rows, in the same order.

    Args:
        prompted: with the words as sent, and their candidates where they are ranked. model: of `model_key`.
        processes: all of them call it, and each reads a share of the pictures; None: this one is alone.

    Raises:
        InputError: a row to rank has no candidates. ImageError: a picture is missing. SystemExit: as `alike`.
    """
    everyone = processes or Processes.alone()
    contents = shared_picture_keys([ref for example in prompted for ref in example.images], everyone)
    return alike(everyone, lambda: _rows(processor, prompted, how, model, contents))


def _rows(
    processor: Processor, prompted: Sequence[Example], how: How, model: str, contents: Iterable[bytes]
) -> list[Row]:
    """With the hashes of all rows' pictures, one behind the other."""
    key_of = row_keys(model, json.loads(json.dumps([how.way, how.arguments], default=list)))
    hashes = iter(contents)
    lists: dict[tuple[str, ...], tuple[str, ...]] = {}
    rows = []
    for example in prompted:
        # Without its target: an answer that is there would be put behind the prompt.
        encoded = processor.encode_example(replace(example, target=None, turns=()))
        candidates = None
        if how.way == "rank":
            if not example.candidates:
                raise InputError(f"Row {example.id!r} shall be ranked but has no candidates; choose another protocol.")
            # Rows that share their candidates share the object too: a thousand answers are looked at once.
            given = tuple(example.candidates)
            candidates = lists.setdefault(given, distinct(given))
        pictures = b"".join(islice(hashes, len(example.images)))
        sent = _as_sent(processor, encoded.input_ids)
        rows.append(Row(example.id, encoded, sent, candidates, key_of(encoded, pictures, candidates)))
    return rows


def answer_windows(
    predictor: Predictor, windows: Sequence[Window], how: How, batch_size: int
) -> Iterator[list[Answered]]:
    """The answers of every batch as it is done.

    Raises:
        ImageError: a picture cannot be opened. InputError: a prompt that is too long. CheckpointError: the model's
            scores are no numbers.
    """
    for window, features in with_features(predictor, windows):
        for batch in window:
            samples = [attach(row.encoded, features) for row in batch]
            if how.way == "generate":
                texts = _written(predictor, samples, how.arguments, batch_size)
                yield [_finished(row, {"text": text}) for row, text in zip(batch, texts, strict=True)]
                continue
            lists = [row.candidates or () for row in batch]
            rankings = predictor.rank_encoded(
                samples, lists, batch_size=batch_size, **how.arguments, top=_scored(lists, how.arguments)
            )
            yield [_finished(row, _checked(row, _best(ranking))) for row, ranking in zip(batch, rankings, strict=True)]


def _written(predictor: Predictor, samples: Sequence[Encoded], arguments: dict[str, Any], batch_size: int) -> list[str]:
    """Free answers; one that would not fit behind its prompt ends where the model's context does, as LLaVA's do."""
    context = getattr(predictor.model.config.language, "max_position_embeddings", None)
    wanted = arguments.get("max_new_tokens")
    if predictor.processor.encoder_decoder or context is None or wanted is None:
        return predictor.generate_encoded(samples, batch_size=batch_size, **arguments)
    by_room: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        by_room.setdefault(max(1, min(wanted, context - len(sample.input_ids))), []).append(place)
    texts = [""] * len(samples)
    for room, places in by_room.items():
        some = [samples[place] for place in places]
        found = predictor.generate_encoded(some, batch_size=batch_size, **{**arguments, "max_new_tokens": room})
        for place, text in zip(places, found, strict=True):
            texts[place] = text
    return texts


def scores_in_order(answered: Answered, candidates: Sequence[str]) -> list[float]:
    """Scores in the order of a row's candidates; -inf for those too low to be written down."""
    known = dict(zip(answered["candidates"], answered["scores"], strict=True))
    return [known.get(candidate, float("-inf")) for candidate in candidates]


def fits(answered: Answered, row: Row) -> bool:
    """Whether what a file holds for a row's key can be its answer: someone may have edited the file."""
    if row.candidates is None or "scores" not in answered:
        return row.candidates is None and "text" in answered
    if "of" in answered:
        return answered["of"] == len(row.candidates) and set(answered["candidates"]) <= set(row.candidates)
    return tuple(answered["candidates"]) == row.candidates


def best_of(answered: Answered) -> str:
    """The candidate of the highest score, the first of equal ones."""
    scores = answered["scores"]
    best: str = answered["candidates"][max(range(len(scores)), key=scores.__getitem__)]
    return best


def _scored(lists: Sequence[Sequence[str]], arguments: dict[str, Any]) -> int | None:
    """How many of the best candidates to score; None: all. Means over tokens have no bound that would spare others."""
    long = all(len(candidates) > _FULL_LIST for candidates in lists)
    return _KEPT if long and arguments.get("reduce", "sum") == "sum" else None


def _best(ranking: Ranking) -> dict[str, Any]:
    if len(ranking.candidates) <= _FULL_LIST:
        return {"candidates": list(ranking.candidates), "scores": ranking.scores}
    kept = ranking.order[:_KEPT]
    return {
        "of": len(ranking.candidates),
        "candidates": [ranking.candidates[i] for i in kept],
        "scores": [ranking.scores[i] for i in kept],
    }


def _checked(row: Row, answer: dict[str, Any]) -> dict[str, Any]:
    """Of scores that are NaN the first would be the best in silence."""
    for text, score in zip(answer["candidates"], answer["scores"], strict=True):
        if not math.isfinite(score):
            raise CheckpointError(
                f"Row {row.id!r}: the model's score of {text!r} is {score}; its weights are damaged, or it needs "
                "numbers of a wider range (--dtype float32)."
            )
    return answer


def _finished(row: Row, answer: dict[str, Any]) -> Answered:
    return {"id": row.id, "key": row.key, "prompt": row.prompt, **answer}


def _as_sent(processor: Processor, ids: Sequence[int]) -> str:
    """The text that the tokens stand for, each picture's placeholders as one mark."""
    token, number = processor.image_token_id, processor.num_image_tokens
    parts: list[str] = []
    run: list[int] = []
    marks = 0
    for item in [*ids, None]:
        if item is not None and item != token:
            run.append(item)
            continue
        if run:
            parts.append(processor.tokenizer.decode(run, skip_special_tokens=False))
            run = []
        if item is not None:
            marks += 1
            if marks % number == 0:
                parts.append(processor.image_token)
    return "".join(parts)
