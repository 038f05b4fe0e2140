"""Checks of what is handed to a metric, before anything is counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from vistune.errors import InputError

_SHOWN = 200  # characters of a value in a message


def check_pairs(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    """As many predictions as references, and at least one.

    Raises:
        InputError: otherwise.
    """
    for name, given in (("predictions", predictions), ("references", references)):
        if isinstance(given, str):
            raise InputError(f"The {name} are one text, {given[:40]!r}; give a list with one entry a sample.")
    if len(predictions) != len(references):
        raise InputError(
            f"There are {len(predictions)} predictions for {len(references)} references; give one for each, in order."
        )
    if len(predictions) == 0:
        raise InputError("There are no predictions; give at least one.")


def check_texts(predictions: Sequence[str], references: Sequence[Any]) -> None:
    """As :func:`check_pairs`, and every prediction is a text.

    Raises:
        InputError: otherwise.
    """
    check_pairs(predictions, references)
    for place, prediction in enumerate(predictions):
        if not isinstance(prediction, str):
            raise InputError(f"Prediction {place} is {shortened(prediction)}; expected a text.")


def check_answers(predictions: Sequence[str], references: Sequence[Sequence[str]], *, at_least: int = 1) -> None:
    """Texts, each with a list of accepted texts.

    Raises:
        InputError: a prediction is no text, or a sample has too few references, or one that is no text.
    """
    check_texts(predictions, references)
    for place, accepted in enumerate(references):
        if isinstance(accepted, str) or not all(isinstance(text, str) for text in accepted):
            raise InputError(f"Reference {place} is {shortened(accepted)}; expected a list of texts.")
        if len(accepted) < at_least:
            raise InputError(f"Reference {place} holds {len(accepted)} texts; expected at least {at_least}.")


def check_finite(values: Sequence[float], what: str) -> None:
    """Numbers, none of them NaN or infinite.

    Raises:
        InputError: otherwise.
    """
    if set(map(type, values)) <= {float, int}:  # many at once, as of 2,423 candidates for 13,000 questions
        with suppress(OverflowError):
            if np.isfinite(np.array(values, dtype=np.float64)).all():
                return
    for place, value in enumerate(values):
        if not is_finite(value):
            raise InputError(f"{what} {place} is {shortened(value)}; expected a finite number.")


def is_finite(value: Any) -> bool:
    """Whether a value is a number that is neither NaN nor infinite, nor too large for a float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shortened(value: Any) -> str:
    """A value as a message shows it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def as_lists(references: Sequence[str | Sequence[str]]) -> list[list[str]]:
    """One accepted text or several for each sample, as lists."""
    return [[entry] if isinstance(entry, str) else list(entry) for entry in references]
