"""How sure a figure is: seeded percentile bootstrap over samples, for one run and for the difference of two.

Samples are drawn with replacement and the corpus figure is computed anew (Efron and Tibshirani 1993, chapter 13): BLEU
from summed counts, AUC from the ranking of the resample. CIDEr's document frequencies stay those of the whole corpus:
they belong to the references, which are the same in every resample; so do the figures of single samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vistune.data.counting import count_of
from vistune.errors import InputError
from vistune.evaluate.metrics.resampling import RESAMPLES, draws, interval_of, percentiles, without_rounding
from vistune.evaluate.metrics.score import Score


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
    return interval_of(score.value, score.resampled, score.n, level, resamples, seed)


def compare_scores(a: Score, b: Score, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Paired bootstrap: both runs are scored on the same resamples, so what makes samples hard or easy cancels out.

    Raises:
        InputError: the runs have different numbers of samples.
    """
    if a.n != b.n:
        raise InputError(
            f"The two runs have {a.n:,} and {count_of(b.n, 'sample')}; a paired comparison needs the same samples in "
            "both."
        )
    drawn = draws(a.n, resamples, seed)
    differences = np.concatenate([b.resampled(weights) - a.resampled(weights) for weights in drawn])
    difference = b.value - a.value
    low, high = without_rounding(percentiles(differences, level), difference, max(abs(a.value), abs(b.value)))
    known = differences[~np.isnan(differences)]
    tail = min(float(np.mean(known <= 0)), float(np.mean(known >= 0)))
    return Comparison(difference, low, high, min(1.0, max(2 * tail, 1 / resamples)), a.n)
