"""Every way of scoring by name, with its unit and what must stay together when only some rows are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from vistune.data.counting import count_of
from vistune.errors import InputError
from vistune.evaluate.benchmarks.groups import picture_of, sentence_of
from vistune.evaluate.benchmarks.rounds import question_of

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec, Given
    from vistune.evaluate.metrics import Score

_HERE = "vistune.evaluate.benchmarks.scoring"


@dataclass(frozen=True)
class Scorer:
    """A way of scoring.

    Args:
        place: module and function, imported when it is used; "" for what a judge or all pairs score.
        unit: of the figure. together: what rows that belong together have in common, None where each stands alone.
    """

    place: str
    unit: str
    together: Callable[[Example], str] | None = None


SCORERS: dict[str, Scorer] = {
    "cider": Scorer("texts.captions", "fraction"),
    "vqa": Scorer("texts.vqa", "percent"),
    "vqa-evalai": Scorer("texts.vqa_evalai", "percent"),
    "aokvqa-da": Scorer("texts.direct_answers", "percent"),
    "ivqa": Scorer("texts.ivqa_answers", "percent"),
    "exact": Scorer("texts.exact", "percent"),
    "phrases": Scorer("texts.phrases", "percent"),
    "hallucination": Scorer("objects.made_up", "percent"),
    "choice": Scorer("choices.choice", "percent"),
    "circular": Scorer("choices.circular", "percent", question_of),
    "ranks": Scorer("choices.ranks", "fraction"),
    "verdict": Scorer("verdicts.verdict", "percent"),
    "sentences": Scorer("verdicts.sentences", "percent", sentence_of),
    "pope": Scorer("verdicts.pope_by_category", "percent"),
    "auc": Scorer("verdicts.auc", "fraction"),
    "mme": Scorer("mme.mme", "points", picture_of),
    "retrieval": Scorer("", "percent"),
    "judge": Scorer("", "percent"),
}
"""All of them."""


def scorer(metric: str) -> Scorer:
    """The way of scoring of a metric's name.

    Raises:
        InputError: there is none.
    """
    if metric not in SCORERS:
        raise InputError(f"There is no metric {metric!r} of benchmarks; expected one of {', '.join(SCORERS)}.")
    return SCORERS[metric]


def score(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """See :meth:`vistune.evaluate.benchmarks.base.Benchmark.score`."""
    if not benchmark.public_answers:
        raise InputError(
            f"The answers of {benchmark.name} ({benchmark.split}) are not public; write the official file with "
            "--submission instead."
        )
    found = scorer(benchmark.metric)
    if not found.place:
        how = "a judge" if benchmark.metric == "judge" else "all pairs of pictures and texts (score_retrieval)"
        raise InputError(f"{benchmark.name} is scored by {how}, not row by row.")
    _check(benchmark, examples, answers)
    module, _, function = found.place.rpartition(".")
    result: Score = getattr(import_module(f"{_HERE}.{module}"), function)(benchmark, examples, answers)
    parts = parts_of(examples, result)
    if parts:
        result.details["parts"] = parts
    return result


def parts_of(examples: Sequence[Example], score: Score) -> dict[str, dict[str, Any]]:
    """The figure of every part of the data, {part: {"value", "n"}}; a row may be of several, such as IMG and G1-6."""
    names = list(dict.fromkeys(part for example in examples for part in example.parts))
    if not names:
        return {}
    weights = np.array([[float(name in example.parts) for example in examples] for name in names])
    values = score.resampled(weights)
    return {
        name: {"value": float(value), "n": int(row.sum())}
        for name, value, row in zip(names, values, weights, strict=True)
        if np.isfinite(value)
    }


def _check(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> None:
    if len(examples) != len(answers):
        raise InputError(
            f"{benchmark.name} has {count_of(len(examples), 'row')} and {count_of(len(answers), 'answer')}; give one "
            "each."
        )
    for example, given in zip(examples, answers, strict=True):
        if given.answer is None and given.scores is None:
            raise InputError(f"Row {example.id!r} of {benchmark.name} has no answer; nothing is counted without it.")
