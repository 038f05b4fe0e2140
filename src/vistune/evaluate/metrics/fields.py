"""The fields of rows that metrics read: each checked, and told with its id where it is not what it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vistune.data.counting import count_of
from vistune.errors import DataError
from vistune.evaluate.metrics.checks import check_finite, is_finite, shortened
from vistune.evaluate.metrics.rows import Row

T = TypeVar("T")

_PREDICTION, _REFERENCE = "Prediction", "Reference"
_MOST_OPTIONS = 26  # letters


@dataclass(frozen=True)
class Joined:
    """Rows of both files in the same order."""

    ids: Sequence[str]
    predictions: Sequence[Row]
    references: Sequence[Row]


def texts(rows: Joined) -> list[str]:
    """The answers.

    Raises:
        DataError: a prediction has no text as its answer.
    """
    return _each(rows.ids, rows.predictions, "answer", str, "a text", _PREDICTION)


def scores(rows: Joined) -> list[list[float]]:
    """The candidates' scores.

    Raises:
        DataError: a prediction has none. InputError: one is not a finite number.
    """
    found = _each(rows.ids, rows.predictions, "scores", list, "a list of numbers", _PREDICTION)
    for name, values in zip(rows.ids, found, strict=True):
        check_finite(values, f"{_PREDICTION} {name!r}: score")
    return found


def accepted(rows: Joined, at_least: int = 1, *, alone: bool = False) -> list[list[str]]:
    """The reference answers.

    Args:
        alone: whether one answer may stand without a list, as in Python.

    Raises:
        DataError: a reference has too few, or one that is no text.
    """
    found = []
    for name, row in zip(rows.ids, rows.references, strict=True):
        answers = _field(name, row, "answers", _REFERENCE)
        answers = [answers] if alone and isinstance(answers, str) else answers
        if not isinstance(answers, list) or not answers or not all(isinstance(text, str) for text in answers):
            raise DataError(f"{_REFERENCE} {name!r} has answers {shortened(answers)}; expected a list of texts.")
        if len(answers) < at_least:
            raise DataError(
                f"{_REFERENCE} {name!r} has answers {shortened(answers)}; this metric leaves out one person at a time "
                f"and needs at least {at_least}."
            )
        found.append(answers)
    return found


def labels(rows: Joined, known: tuple[str, str]) -> list[str]:
    """The one right answer of each row, of two that there are, in lower case.

    Raises:
        DataError: a reference has another answer, or several.
    """
    found = []
    for name, answers in zip(rows.ids, accepted(rows, alone=True), strict=True):
        label = answers[0].strip().lower()
        if len(answers) > 1 or label not in known:
            raise DataError(
                f"{_REFERENCE} {name!r} has answers {shortened(answers)}; expected one, {known[0]!r} or {known[1]!r}."
            )
        found.append(label)
    return found


def right_candidates(rows: Joined, sizes: Sequence[int]) -> list[int]:
    """Which candidate is right, from 0.

    Args:
        sizes: how many scores each row has; a reference with another ``n_choices`` is refused.

    Raises:
        DataError: a reference names none of the candidates, or has another number of them.
    """
    found = _each(rows.ids, rows.references, "answer_index", int, "a whole number from 0")
    for name, row, index, size in zip(rows.ids, rows.references, found, sizes, strict=True):
        if row.get("n_choices", size) != size:
            raise DataError(
                f"{_PREDICTION} {name!r} has {count_of(size, 'score')}, its reference n_choices "
                f"{shortened(row['n_choices'])}; give one score for each."
            )
        if not 0 <= index < size:
            raise DataError(
                f"{_REFERENCE} {name!r} has answer_index {index}, its prediction {count_of(size, 'score')}; expected "
                "one of them, from 0."
            )
    return found


def right_options(rows: Joined) -> None:
    """Each question says how many options it has and which of them is right.

    Raises:
        DataError: otherwise.
    """
    right = _each(rows.ids, rows.references, "answer_index", int, "a whole number from 0")
    numbers = _each(rows.ids, rows.references, "n_choices", int, "a whole number")
    for name, index, number in zip(rows.ids, right, numbers, strict=True):
        if not 0 <= index < number <= _MOST_OPTIONS:
            raise DataError(
                f"{_REFERENCE} {name!r} has answer_index {index} of n_choices {number}; expected "
                f"0 <= answer_index < n_choices <= {_MOST_OPTIONS}."
            )


def classes(rows: Joined) -> list[int]:
    """Which of two classes each row belongs to.

    Raises:
        DataError: a reference has neither 0 nor 1 as its answer_index.
    """
    found = _each(rows.ids, rows.references, "answer_index", int, "0 or 1")
    for name, label in zip(rows.ids, found, strict=True):
        if label not in (0, 1):
            raise DataError(f"{_REFERENCE} {name!r} has answer_index {label}; expected 0 or 1.")
    return found


def relevances(rows: Joined, sizes: Sequence[int]) -> list[list[float] | None]:
    """How good each candidate is; None where the reference does not say it.

    Raises:
        DataError: it is no list of one number a candidate, or no candidate has any. InputError: one is not finite.
    """
    found: list[list[float] | None] = []
    for name, row, size in zip(rows.ids, rows.references, sizes, strict=True):
        relevance = row.get("relevance")
        if relevance is not None:
            if not isinstance(relevance, list) or len(relevance) != size:
                raise DataError(f"{_REFERENCE} {name!r} has relevance {shortened(relevance)}; expected {size} numbers.")
            check_finite(relevance, f"{_REFERENCE} {name!r}: relevance")
            if min(relevance) < 0 or not any(relevance):
                raise DataError(
                    f"{_REFERENCE} {name!r} has relevance {shortened(relevance)}, none above 0 or some below it; leave "
                    "the field out, and the question does not count in NDCG."
                )
        found.append(relevance)
    return found


def own_scores(rows: Sequence[Row], names: Sequence[str], path: Path) -> list[float]:
    """What stands as ``score`` in each row.

    Raises:
        DataError: a row has no finite number there.
    """
    found = []
    for name, row in zip(names, rows, strict=True):
        value: Any = row.get("score")
        if not is_finite(value):
            raise DataError(f"{path}: row {name!r} has score {shortened(value)}; expected a finite number.")
        found.append(float(value))
    return found


def _each(
    ids: Sequence[str], rows: Sequence[Row], key: str, kind: type[T], expected: str, side: str = _REFERENCE
) -> list[T]:
    """The same field of all rows."""
    found = []
    for name, row in zip(ids, rows, strict=True):
        value = _field(name, row, key, side)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataError(f"{side} {name!r} has {key} {shortened(value)}; expected {expected}.")
        found.append(value)
    return found


def _field(name: str, row: Mapping[str, Any], key: str, side: str) -> Any:
    if key not in row:
        there = ", ".join(repr(column) for column in row if column != "id") or "nothing"
        raise DataError(f"{side} {name!r} has no {key!r} beside its id, but {there}; are the two files swapped?")
    return row[key]
