"""The metrics of `vistune score`: what each reads from the rows of a prediction and a reference file."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vistune.errors import DataError, InputError
from vistune.evaluate.metrics.captions import bleu, cider, rouge_l
from vistune.evaluate.metrics.checks import check_finite
from vistune.evaluate.metrics.choices import scienceqa
from vistune.evaluate.metrics.ranks import Ties, retrieval_ranks
from vistune.evaluate.metrics.rows import Row, join, refuse_empty_answers
from vistune.evaluate.metrics.score import Score, mean_score
from vistune.evaluate.metrics.texts import anls, exact_match
from vistune.evaluate.metrics.vqa import aokvqa_da, ivqa, vqa_accuracy, vqa_evalai_accuracy
from vistune.evaluate.metrics.yes_no import nlvr, pope, roc_auc

T = TypeVar("T")


@dataclass(frozen=True)
class Joined:
    """Rows of both files in the same order."""

    ids: Sequence[str]
    predictions: Sequence[Row]
    references: Sequence[Row]


@dataclass(frozen=True)
class Metric:
    """A metric of the command line.

    Args:
        score: from joined rows. unit: what its value is: "fraction" or "percent".
        ranks: whether it reads ``scores``, and knows about ties.
    """

    name: str
    unit: str
    score: Callable[[Joined, Ties], Score]
    ranks: bool = False


def metric_named(name: str) -> Metric:
    """The metric of a name, such as "rouge-l".

    Raises:
        InputError: there is none, with the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    near = difflib.get_close_matches(name, METRICS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(METRICS)}."
    raise InputError(f"There is no metric {name!r}; {hint}")


def _of_answers(function: Callable[[list[str], list[list[str]]], Score]) -> Callable[[Joined, Ties], Score]:
    def score(rows: Joined, ties: Ties) -> Score:
        return function(_texts(rows), _accepted(rows))

    return score


def _pope(rows: Joined, ties: Ties) -> Score:
    return pope(_texts(rows), [answers[0].strip().lower() for answers in _accepted(rows)])


def _nlvr(rows: Joined, ties: Ties) -> Score:
    pairs = zip(rows.ids, rows.references, strict=True)
    sentences = [str(row.get("sentence", name.split("-")[0])) for name, row in pairs]
    return nlvr(_texts(rows), _accepted(rows), sentences)


def _scienceqa(rows: Joined, ties: Ties) -> Score:
    _each(rows.ids, rows.references, "answer_index", int, "a whole number from 0")
    _each(rows.ids, rows.references, "n_choices", int, "a whole number")
    return scienceqa(_texts(rows), rows.references)


def _auc(rows: Joined, ties: Ties) -> Score:
    """One score is how sure the model is of candidate 1; two are those of candidates 0 and 1."""
    figures = []
    for name, scores in zip(rows.ids, _scores(rows), strict=True):
        if len(scores) not in (1, 2):
            raise DataError(f"Prediction {name!r} has {len(scores)} scores; AUC reads one, or two (one a class).")
        figures.append(scores[-1] - (scores[0] if len(scores) == 2 else 0))
    return roc_auc(figures, _each(rows.ids, rows.references, "answer_index", int, "0 or 1"))


def _ranks(rows: Joined, ties: Ties) -> Score:
    _each(rows.ids, rows.references, "answer_index", int, "a whole number from 0")
    return retrieval_ranks(_scores(rows), rows.references, ties=ties)


def _texts(rows: Joined) -> list[str]:
    return _each(rows.ids, rows.predictions, "answer", str, "a text", "Prediction")


def _scores(rows: Joined) -> list[list[float]]:
    found = _each(rows.ids, rows.predictions, "scores", list, "a list of numbers", "Prediction")
    for name, scores in zip(rows.ids, found, strict=True):
        check_finite(scores, f"Prediction {name!r}: score")
    return found


def _accepted(rows: Joined) -> list[list[str]]:
    """The reference answers; one alone may stand without a list."""
    found = []
    for name, row in zip(rows.ids, rows.references, strict=True):
        answers = row.get("answers")
        answers = [answers] if isinstance(answers, str) else answers
        if not isinstance(answers, list) or not answers or not all(isinstance(text, str) for text in answers):
            raise DataError(f"Reference {name!r} has answers {answers!r}; expected a list of texts.")
        found.append(answers)
    return found


def _each(
    ids: Sequence[str], rows: Sequence[Row], key: str, kind: type[T], expected: str, side: str = "Reference"
) -> list[T]:
    """The same field of all rows."""
    values: list[Any] = [row.get(key) for row in rows]
    for name, value in zip(ids, values, strict=True):
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataError(f"{side} {name!r} has {key} {value!r}; expected {expected}.")
    return values


METRICS = {
    metric.name: metric
    for metric in (
        Metric("cider", "fraction", _of_answers(cider)),
        Metric("bleu", "fraction", _of_answers(bleu)),
        Metric("rouge-l", "fraction", _of_answers(rouge_l)),
        Metric("vqa", "percent", _of_answers(vqa_accuracy)),
        Metric("vqa-evalai", "percent", _of_answers(vqa_evalai_accuracy)),
        Metric("anls", "fraction", _of_answers(anls)),
        Metric("exact", "percent", _of_answers(exact_match)),
        Metric("aokvqa-da", "percent", _of_answers(aokvqa_da)),
        Metric("auc", "fraction", _auc),
        Metric("ranks", "fraction", _ranks, ranks=True),
        Metric("ivqa", "percent", _of_answers(ivqa)),
        Metric("pope", "percent", _of_answers(pope)),
        Metric("scienceqa", "percent", _scienceqa),
        Metric("nlvr", "percent", _nlvr),
    )
}
"""All metrics by name."""


def score_files(
    metric: Metric, predictions: Path, references: Path, *, ties: str = "mean", allow_empty: bool = False
) -> Score:
    """Score a prediction file against a reference file.

    Args:
        ties: "mean" or "last", for metrics of ranks. allow_empty: whether empty answers count as they are.

    Raises:
        DataError: a file cannot be read, ids do not match, or a row lacks what the metric needs.
        InputError: another value of ``ties``, or one for a metric without ranks; what the metric itself refuses.
    """
    if ties not in ("mean", "last"):
        raise InputError(f"ties is {ties!r}; expected 'mean' or 'last'.")
    if ties != "mean" and not metric.ranks:
        raise InputError(f"{metric.name} has no ties; leave the option out, or score ranks.")
    names, given, wanted = join(predictions, references)
    if not allow_empty:
        refuse_empty_answers(names, given, predictions)
    return metric.score(Joined(names, given, wanted), "last" if ties == "last" else "mean")


def scores_in_rows(a: Path, b: Path) -> tuple[Score, Score]:
    """The means of what stands as ``score`` in the rows of two runs, on the same samples in the same order.

    Raises:
        DataError: a file cannot be read, the ids differ, or a row has no finite score.
    """
    names, first, second = join(a, b)
    scores = []
    for path, rows in ((a, first), (b, second)):
        for name, row in zip(names, rows, strict=True):
            value = row.get("score")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise DataError(f"{path}: row {name!r} has score {value!r}; expected a finite number.")
        scores.append(mean_score([float(row["score"]) for row in rows]))
    return scores[0], scores[1]
