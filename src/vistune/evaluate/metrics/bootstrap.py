"""How sure a figure is: seeded percentile bootstrap over samples, for one run and for the difference of two.

Samples are drawn with replacement and the corpus figure is computed anew (Efron and Tibshirani 1993, chapter 13): BLEU
from summed counts, AUC from the ranking of the resample. CIDEr's document frequencies stay those of the whole corpus:
they belong to the references, which are the same in every resample; so do the figures of single samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vistune.errors import InputError
from vistune.evaluate.metrics.score import Score, Weights

RESAMPLES = 1000
_CELLS = 4_000_000  # of weights held at once: 32 MB
_ROUNDING = 1e-11  # of a sum of many numbers, relative


@dataclass(frozen=True)
class Comparison:
    """The figure of run B minus that of run A on the same samples.

    Args:
        difference: b.value - a.value. low, high: its 95 % interval.
        p_value: two-sided; how often a resample falls on the other side of zero, doubled. Never below 1 / resamples.
        n: number of samples.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n: int


def interval(score: Score, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of a corpus figure: (low, high)."""
    figures = np.concatenate([score.resampled(weights) for weights in draws(score.n, resamples, seed)])
    return _without_rounding(percentiles(figures, level), score.value, abs(score.value))


def compare_scores(a: Score, b: Score, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Paired bootstrap: both runs are scored on the same resamples, so what makes samples hard or easy cancels out.

    Raises:
        InputError: the runs have different numbers of samples.
    """
    if a.n != b.n:
        raise InputError(
            f"The two runs have {a.n} and {b.n} samples; a paired comparison needs the same samples in both."
        )
    drawn = draws(a.n, resamples, seed)
    differences = np.concatenate([b.resampled(weights) - a.resampled(weights) for weights in drawn])
    difference = b.value - a.value
    low, high = _without_rounding(percentiles(differences, level), difference, max(abs(a.value), abs(b.value)))
    known = differences[~np.isnan(differences)]
    tail = min(float(np.mean(known <= 0)), float(np.mean(known >= 0)))
    return Comparison(difference, low, high, min(1.0, max(2 * tail, 1 / resamples)), a.n)


def draws(n: int, resamples: int, seed: int) -> Iterator[Weights]:
    """Weights of the resamples, (some, n) at a time; the same for the same seed and n."""
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def percentiles(figures: np.typing.NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """The middle ``level`` of the figures of resamples; those that are NaN say nothing."""
    known = figures[~np.isnan(figures)]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _without_rounding(bounds: tuple[float, float], value: float, scale: float) -> tuple[float, float]:
    """Bounds that differ from the value by rounding alone are the value: it lies between them where all are alike."""
    low, high = (value if abs(bound - value) <= _ROUNDING * scale else bound for bound in bounds)
    return low, high
