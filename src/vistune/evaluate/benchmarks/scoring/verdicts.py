"""Answers of two kinds, yes and no or true and false, in words or as scores of the words that stand for them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vistune.errors import InputError
from vistune.evaluate.benchmarks.groups import sentence_of
from vistune.evaluate.benchmarks.scoring.texts import scores_of
from vistune.evaluate.metrics import Score, nlvr, pope, roc_auc
from vistune.evaluate.metrics.resampling import Weights
from vistune.evaluate.metrics.score import mean_score
from vistune.evaluate.metrics.yes_no import says_no

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec, Given

_WORD = re.compile(r"[a-z]+")
_HALF = 0.5


def verdict(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """Accuracy in percent; details: unparsed, how many answers are of neither kind, which are wrong."""
    said = verdicts_of(benchmark, examples, answers)
    right = [found == example.target for found, example in zip(said, examples, strict=True)]
    return mean_score([100.0 * hit for hit in right], unparsed=said.count(None))


def sentences(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """NLVR's accuracy and consistency, in percent."""
    said = [found or "" for found in verdicts_of(benchmark, examples, answers)]
    return nlvr(said, [str(example.target) for example in examples], [sentence_of(example) for example in examples])


def pope_by_category(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """The mean of the categories' F1 in percent, which is what LLaVA-1.5 tells.

    As in the official evaluator whatever is no "no" is a "yes", an empty answer too; details["empty"] counts these,
    details["neither"] the others that begin with neither word.
    Details besides: accuracy in percent; precision, recall, f1 and yes_ratio of all rows; the same of each category
    under ``categories``.
    """
    verdicts = verdicts_of(benchmark, examples, answers)
    said = [
        (found or "") if given.scores is not None else str(given.answer)
        for found, given in zip(verdicts, answers, strict=True)
    ]
    wanted = [str(example.target) for example in examples]
    whole = pope(said, wanted)
    by_category: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        by_category.setdefault(example.parts[0] if example.parts else "all", []).append(row)
    categories = {
        name: (found := pope([said[row] for row in rows], [wanted[row] for row in rows])).details
        | {"accuracy": found.value, "n": found.n}
        for name, rows in by_category.items()
    }
    yes = np.array([not says_no(text) for text in said])
    true = np.array([label == "yes" for label in wanted])
    names = list(by_category)
    place = np.array([names.index(example.parts[0] if example.parts else "all") for example in examples])

    def figures(weights: Weights) -> NDArray[np.float64]:
        found = []
        for category in range(len(names)):
            some = np.asarray(weights) * (place == category)
            hits, both = some @ (yes & true), some @ yes + some @ true
            # A sample without the category at all says nothing of it.
            found.append(np.where(some.sum(axis=1) > 0, 200 * hits / both.clip(min=1e-12), np.nan))
        return np.asarray(np.nanmean(found, axis=0))

    taken = [found is None and not says_no(text) for found, text in zip(verdicts, said, strict=True)]
    empty = sum(not text.strip() for text in said)
    details = {"accuracy": whole.value, **whole.details, "empty": empty, "neither": sum(taken) - empty}
    details["categories"] = categories
    value = float(figures(np.ones((1, len(examples))))[0])
    return Score(value, whole.per_sample, details, figures=figures)


def auc(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """ROC-AUC of how much surer the model is of the first kind than of the second.

    Ranked: logsumexp of its words' scores minus that of the other's. In words: 1, 0, or one half for neither, counted
    in ``details["unparsed"]``.
    """
    positive = next(iter(benchmark.verbalizers))
    sure, unparsed = [], 0
    for example, given in zip(examples, answers, strict=True):
        if given.scores is not None:
            first, second = _sums(benchmark, example, given).values()
            sure.append(first - second)
            continue
        found = spoken(given.answer or "", benchmark.verbalizers)
        unparsed += found is None
        sure.append(_HALF if found is None else float(found == positive))
    score = roc_auc(sure, [int(example.target == positive) for example in examples])
    score.details["unparsed"] = unparsed
    return score


def spoken(text: str, verbalizers: Mapping[str, Sequence[str]]) -> str | None:
    """The kind that an answer begins with a word of; None if its first word is of neither."""
    first = _WORD.search(text.lower())
    return next((kind for kind, known in verbalizers.items() if first and first[0] in known), None)


def verdicts_of(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> list[str | None]:
    """The kind that every answer says, None for neither."""
    found: list[str | None] = []
    for example, given in zip(examples, answers, strict=True):
        if example.target not in benchmark.verbalizers:
            raise InputError(f"Row {example.id!r} of {benchmark.name} has the answer {example.target!r}.")
        if given.scores is not None:
            sums = _sums(benchmark, example, given)
            found.append(max(sums, key=sums.__getitem__))
        else:
            found.append(spoken(given.answer or "", benchmark.verbalizers))
    return found


def _sums(benchmark: BenchmarkSpec, example: Example, given: Given) -> dict[str, float]:
    """Log of the summed probability of each kind's words."""
    known = benchmark.verbalizers
    scores = iter(scores_of(example, given, [word for listed in known.values() for word in listed], benchmark))
    return {kind: _logsumexp([next(scores) for _ in listed]) for kind, listed in known.items()}


def _logsumexp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
