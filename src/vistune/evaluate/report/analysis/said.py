"""What was said to each row, in words: the answer, or the candidate that was ranked first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark, Given

_TWO_WAY = ("verdict", "sentences", "pope", "auc")


def said(
    benchmark: Benchmark, examples: Sequence[Example], prompted: Sequence[Example], answers: Sequence[Given]
) -> list[str | None]:
    """The words of every answer; of a ranked row the best candidate, or of a two-way one the kind that it stands for.

    None where there is neither.
    """
    found: list[str | None] = []
    for example, asked, given in zip(examples, prompted, answers, strict=True):
        if given.scores is None:
            found.append(given.answer)
        elif _has_kinds(benchmark, example):
            found.append(_kind(benchmark, example, given))
        else:
            found.append(_best(example, asked, given.scores))
    return found


def right_of(example: Example) -> tuple[str, ...]:
    """The right answers of a row; () where they are not known."""
    return example.references or ((example.target,) if example.target else ())


def kinds_of(benchmark: Benchmark) -> tuple[str, ...]:
    """Of benchmarks with two answers (yes and no, true and false) their names; () elsewhere."""
    return tuple(benchmark.verbalizers) if benchmark.metric in _TWO_WAY else ()


def _has_kinds(benchmark: Benchmark, example: Example) -> bool:
    return example.target in kinds_of(benchmark)


def _kind(benchmark: Benchmark, example: Example, given: Given) -> str | None:
    from vistune.evaluate.benchmarks.scoring.verdicts import verdicts_of

    return verdicts_of(benchmark, [example], [given])[0]


def _best(example: Example, asked: Example, scores: Sequence[float]) -> str | None:
    for candidates in (example.candidates, asked.candidates):
        if candidates and len(candidates) == len(scores):
            return candidates[max(range(len(scores)), key=scores.__getitem__)]
    return None
