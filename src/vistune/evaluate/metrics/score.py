"""What every metric returns: the corpus figure, the figure of every sample, and how sure the first one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vistune.data.counting import count_of
from vistune.errors import InputError
from vistune.evaluate.metrics.resampling import Figures, Weights, interval_of


@dataclass(frozen=True)
class Score:
    """A metric's result on one corpus.

    Args:
        value: the corpus figure, on the scale of the official evaluator (see docs/metrics.md).
        per_sample: the figure of each sample, in the order given and on the scale of ``value``.
        details: further corpus figures by name.
        columns: further figures of each sample by name, each in the order given (the rank of the right candidate).
        figures: how resamples of the corpus are scored; None where ``value`` is the mean of ``per_sample``.
    """

    value: float
    per_sample: list[float] = field(repr=False)
    details: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, list[float]] = field(default_factory=dict, repr=False)
    figures: Figures | None = field(default=None, repr=False, compare=False)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.per_sample)

    def resampled(self, weights: Weights) -> NDArray[np.float64]:
        """The corpus figure when samples count as often as the weights say.

        Args:
            weights: (resamples, n), not negative, each row with a positive sum.

        Returns:
            (resamples,); NaN where a resample has no figure (an AUC without one of the classes).
        """
        if self.figures is not None:
            return self.figures(weights)
        return np.asarray(weights @ np.asarray(self.per_sample) / weights.sum(axis=1))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Bootstrap interval of ``value``; see :func:`vistune.evaluate.metrics.bootstrap.interval`."""
        return interval_of(self.value, self.resampled, self.n, level)

    def by(self, column: Sequence[Any]) -> dict[str, dict[str, float]]:
        """The figure for each value of a column of the data: {value: {"value", "n"}}, in order of appearance.

        Args:
            column: one entry a sample, such as its question type.

        Raises:
            InputError: the column has another length than the samples.
        """
        if len(column) != self.n:
            raise InputError(
                f"The column has {count_of(len(column), 'entry', 'entries')} for {count_of(self.n, 'sample')}; give "
                "one a sample."
            )
        names = list(dict.fromkeys(str(entry) for entry in column))
        weights = np.array([[float(str(entry) == name) for entry in column] for name in names])
        found = self.resampled(weights)
        return {
            name: {"value": float(value), "n": int(row.sum())}
            for name, value, row in zip(names, found, weights, strict=True)
        }


def mean_score(per_sample: Sequence[float], **details: Any) -> Score:
    """A score whose corpus figure is the mean over samples."""
    return Score(math.fsum(per_sample) / len(per_sample), list(per_sample), details)
