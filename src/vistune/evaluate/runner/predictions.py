"""Answers of another system, from a file: joined on ids, and refused where anything is odd."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.counting import count_of
from vistune.errors import DataError
from vistune.evaluate.benchmarks import Given
from vistune.evaluate.metrics.checks import is_finite, shortened
from vistune.evaluate.metrics.rows import read_rows, refuse_empty_answers
from vistune.evaluate.runner.outcome import ROWS, Asked, BenchmarkResult, score_of, write_rows

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark
    from vistune.evaluate.protocols import Protocol
    from vistune.evaluate.runner.request import Request

logger = logging.getLogger(__name__)

_FEW = 3


def score_predictions(
    request: Request, benchmark: Benchmark, protocol: Protocol, file: Path, *, allow_empty: bool = False
) -> BenchmarkResult:
    """Score a jsonl file with a row of ``id`` and ``answer``, or ``scores`` of the candidates, for every row.

    Of a row with both, as in our own rows.jsonl, the scores count where the protocol ranks, else the answer.

    The protocol says how choices are read out of answers in words, and in which order ``scores`` stand.

    Raises:
        DataError: unknown, repeated or missing ids, rows without an answer, or empty ones. InputError: scores that do
            not fit the candidates.
    """
    started = time.monotonic()
    examples = benchmark.examples(request.data_root, limit=request.limit, shuffle=request.shuffle, seed=request.seed)
    found = read_rows(file)
    names = {example.id for example in examples}
    unknown = [name for name in found if name not in names]
    if unknown and request.limit is not None:
        every = {example.id for example in benchmark.examples(request.data_root)}
        unknown = [name for name in unknown if name not in every]
    if unknown:
        raise DataError(
            f"{file} answers {_listed(unknown)}, which {benchmark.name} ({benchmark.split}) does not have; is it of "
            "another benchmark or split?"
        )
    missing = [example.id for example in examples if example.id not in found]
    if missing:
        raise DataError(
            f"{file} has no answer to {_listed(missing)} of {benchmark.name}; nothing is counted while a row has none."
        )
    rows = [found[example.id] for example in examples]
    if not allow_empty:
        refuse_empty_answers([example.id for example in examples], rows, file)
    prompted = [protocol.prompt(benchmark, example) for example in examples]
    given = [
        _given(protocol, benchmark, example, words, row, file)
        for example, words, row in zip(examples, prompted, rows, strict=True)
    ]
    settings = {"predictions": str(file), "protocol": protocol.name}
    sent = [_sent(row, words, answer) for row, words, answer in zip(rows, prompted, given, strict=True)]
    if benchmark.metric != "ranks" and not benchmark.verbalizers:
        _tell_ties(prompted, given, file)
    asked = Asked(examples, prompted, given, sent, settings)
    path = request.folder(benchmark.name) / ROWS
    score = score_of(benchmark, examples, given, path.parent)
    write_rows(path, asked, score)
    return BenchmarkResult(benchmark, protocol.name, score, asked, path, time.monotonic() - started)


def _given(
    protocol: Protocol, benchmark: Benchmark, example: Example, words: Example, row: Mapping[str, Any], file: Path
) -> Given:
    answer, scores = row.get("answer"), row.get("scores")
    # Where only the best candidates are kept ("of"), the answer says which was the best.
    ranked = protocol.answering(benchmark) == "rank" and isinstance(scores, list) and "of" not in row
    if isinstance(answer, str) and not ranked:
        return Given(answer=protocol.extract(benchmark, example, answer), text=answer)
    if not isinstance(scores, list) or not scores or not all(is_finite(score) for score in scores):
        raise DataError(
            f"{file}: row {example.id!r} has answer {shortened(answer)} and scores {shortened(scores)}; expected a "
            "text as answer, or a list of finite numbers as scores."
        )
    if not words.candidates and not benchmark.verbalizers:
        raise DataError(
            f"{file}: row {example.id!r} has scores, but {benchmark.name} has no candidates under the protocol "
            f"{protocol.name!r}; give an answer in words, or a protocol that ranks."
        )
    return Given(scores=[float(score) for score in scores])


def _tell_ties(prompted: Sequence[Example], given: Sequence[Given], file: Path) -> None:
    """Of several best candidates the first counts, which a person should know."""
    ties = 0
    for words, row in zip(prompted, given, strict=True):
        scored = list(zip(words.candidates or (), row.scores or (), strict=False))
        # A set may offer the same choice twice.
        ties += len({text for text, score in scored if score == max(row.scores or ())}) > 1
    if ties:
        logger.warning(
            "%s: in %s several candidates share the highest score; the first of them counts.",
            file,
            count_of(ties, "row"),
        )


def _sent(row: Mapping[str, Any], prompted: Example, given: Given) -> dict[str, Any]:
    """What the file says, in the form of our own rows; the prompt of another system is not known."""
    if given.scores is None:
        return {"text": row["answer"]}
    candidates = list(prompted.candidates or ())
    scores = list(row["scores"])
    if len(candidates) != len(scores):
        return {"scores": scores}
    return {
        "candidates": candidates,
        "scores": scores,
        "answer": candidates[max(range(len(scores)), key=scores.__getitem__)],
    }


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_FEW])
    return f"id {shown}" if len(names) == 1 else f"{len(names)} ids ({shown}{', ...' if len(names) > _FEW else ''})"
