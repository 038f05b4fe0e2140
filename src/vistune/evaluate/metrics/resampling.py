"""Resamples of a corpus, and what their figures say about the figure of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
"""(resamples, n): how often each sample is drawn in each resample."""

Figures = Callable[[Weights], NDArray[np.float64]]
"""The corpus figure of every resample, (resamples,)."""

RESAMPLES = 1000
_CELLS = 4_000_000  # of weights held at once: 32 MB
_ROUNDING = 1e-11  # of a sum of many numbers, relative


def interval_of(
    value: float, figures: Figures, n: int, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a corpus figure of n samples: (low, high)."""
    found = np.concatenate([figures(weights) for weights in draws(n, resamples, seed)])
    return without_rounding(percentiles(found, level), value, abs(value))


def draws(n: int, resamples: int, seed: int) -> Iterator[Weights]:
    """Weights of the resamples, (some, n) at a time; the same for the same seed and n."""
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def percentiles(figures: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """The middle ``level`` of the figures of resamples; those that are NaN say nothing."""
    known = figures[~np.isnan(figures)]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def without_rounding(bounds: tuple[float, float], value: float, scale: float) -> tuple[float, float]:
    """Bounds that differ from the value by rounding alone are the value: it lies between them where all are alike."""
    low, high = (value if abs(bound - value) <= _ROUNDING * scale else bound for bound in bounds)
    return low, high
