"""The figure that judges' scores come to: a ratio of sums over questions, sure to within what questions were asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vistune.errors import DataError
from vistune.evaluate.judge.parse import Pair
from vistune.evaluate.metrics import Score
from vistune.evaluate.metrics.resampling import Weights


def ratio_score(pairs: Sequence[Pair | None]) -> Score:
    """100 x the sum of what was given over the sum of what it is measured by.

    For LLaVA-Bench those are a question's scores of the answer and of the reference answer, added up over its reviews:
    they come of one question, so that resamples draw questions, not reviews. For MM-Vet (1, grade).

    Args:
        pairs: (measured by, given) of every question, None of one that has no score; it does not count then.

    Returns:
        ``per_sample`` holds each question's own ratio, NaN where it has none.

    Raises:
        DataError: no question has a score, or what is measured by is 0 everywhere.
    """
    sums = np.array([pair or (0.0, 0.0) for pair in pairs], dtype=np.float64).reshape(-1, 2)
    there = np.array([float(pair is not None) for pair in pairs])
    if sums[:, 0].sum() == 0:
        raise DataError("The first answers have a mean score of 0, so there is no relative score; check their order.")

    def figures(weights: Weights) -> NDArray[np.float64]:
        return _ratio((weights * there) @ sums)

    return Score(float(_ratio(sums.sum(axis=0))), _ratio(sums).tolist(), figures=figures)


def in_order(names: Iterable[str]) -> list[str]:
    """Ids of questions, each once, numbers in them by size: files of replies have them as they came.

    Resamples go by places, so that the same questions in the same order have the same interval everywhere.
    """
    return sorted(set(names), key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)])


def _ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where the first is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = np.where(sums[..., 0] == 0, np.nan, 100 * sums[..., 1] / sums[..., 0])
        return ratio
