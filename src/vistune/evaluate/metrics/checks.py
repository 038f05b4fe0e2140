"""Checks of what is handed to a metric, before anything is counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from vistune.errors import InputError


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


def check_answers(predictions: Sequence[str], references: Sequence[Sequence[str]], *, at_least: int = 1) -> None:
    """Texts, each with a list of accepted texts.

    Raises:
        InputError: a prediction is no text, or a sample has too few references, or one that is no text.
    """
    check_pairs(predictions, references)
    for place, (prediction, accepted) in enumerate(zip(predictions, references, strict=True)):
        if not isinstance(prediction, str):
            raise InputError(f"Prediction {place} is {prediction!r}; expected a text.")
        if isinstance(accepted, str) or not all(isinstance(text, str) for text in accepted):
            raise InputError(f"Reference {place} is {accepted!r}; expected a list of texts.")
        if len(accepted) < at_least:
            raise InputError(f"Reference {place} holds {len(accepted)} texts; expected at least {at_least}.")


def check_finite(values: Sequence[float], what: str) -> None:
    """Numbers, none of them NaN or infinite.

    Raises:
        InputError: otherwise.
    """
    for place, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise InputError(f"{what} {place} is {value!r}; expected a finite number.")


def as_lists(references: Sequence[str | Sequence[str]]) -> list[list[str]]:
    """One accepted text or several for each sample, as lists."""
    return [[entry] if isinstance(entry, str) else list(entry) for entry in references]
