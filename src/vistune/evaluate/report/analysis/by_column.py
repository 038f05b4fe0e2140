"""A figure for each value of a column, with the gap to all other rows and how sure both are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vistune.evaluate.metrics import Score
from vistune.evaluate.metrics.resampling import RESAMPLES, Weights, draws, percentiles
from vistune.evaluate.report.analysis.columns import Column

# Resamples of fewer rows say little.
_FEWEST = 10
Floats = NDArray[np.float64]


def by_columns(score: Score, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The figure of every value of every column.

    Returns:
        For each column {"column", "values": [{"value", "figure", "n", "interval", "gap", "gap_interval"}],
        "largest_gap": {"between", "value", "interval"} or None}. ``gap`` is the figure of the value's rows minus that
        of all others; intervals are 95 % bootstrap ones over all rows, None below 10 rows. A value that has no figure
        of its own (an AUC of one class) is left out.
    """
    masks = np.array([rows for column in columns for rows in column.rows.values()], dtype=np.float64)
    if not len(masks):
        return []
    inside, outside = _figures(score, np.ones((1, score.n)), masks)
    drawn = [_figures(score, weights, masks) for weights in draws(score.n, RESAMPLES, 0)]
    insides = np.concatenate([pair[0] for pair in drawn], axis=1)
    outsides = np.concatenate([pair[1] for pair in drawn], axis=1)
    found, start = [], 0
    for column in columns:
        rows = slice(start, start + len(column.rows))
        start = rows.stop
        counts = masks[rows].sum(axis=1).astype(int)
        values = _values(list(column.rows), counts, inside[rows, 0], outside[rows, 0], insides[rows], outsides[rows])
        if len(values) > 1:
            found.append(
                {"column": column.name, "values": values, "largest_gap": _largest(column, values, insides[rows])}
            )
    return found


def _values(
    names: Sequence[str], counts: NDArray[np.int_], inside: Floats, outside: Floats, insides: Floats, outsides: Floats
) -> list[dict[str, Any]]:
    values = []
    for row, name in enumerate(names):
        if not np.isfinite(inside[row]):
            continue
        enough = counts[row] >= _FEWEST
        gap = inside[row] - outside[row]
        values.append(
            {
                "value": name,
                "figure": float(inside[row]),
                "n": int(counts[row]),
                "interval": _interval(insides[row]) if enough else None,
                "gap": float(gap) if np.isfinite(gap) else None,
                "gap_interval": _interval(insides[row] - outsides[row]) if enough and np.isfinite(gap) else None,
            }
        )
    return values


def _largest(column: Column, values: Sequence[dict[str, Any]], insides: Floats) -> dict[str, Any] | None:
    """Between the best and the worst value of those with rows enough."""
    sure = sorted((entry for entry in values if entry["interval"]), key=lambda entry: float(entry["figure"]))
    if len(sure) < 2:
        return None
    names = list(column.rows)
    low, high = sure[0], sure[-1]
    differences = insides[names.index(high["value"])] - insides[names.index(low["value"])]
    return {
        "between": [high["value"], low["value"]],
        "value": high["figure"] - low["figure"],
        "interval": _interval(differences),
    }


def _interval(figures: Floats) -> list[float] | None:
    if not np.isfinite(figures).any():
        return None
    return list(percentiles(figures))


def _figures(score: Score, weights: Weights, masks: Floats) -> tuple[Floats, Floats]:
    """The figures of the rows in each mask and of those outside it, each (masks, resamples)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if score.figures is None:
            # Means of all masks in one product.
            values = np.asarray(score.per_sample, dtype=np.float64)
            sums, counts = weights @ (masks * values).T, weights @ masks.T
            rest = (weights @ values)[:, None] - sums, weights.sum(axis=1)[:, None] - counts
            return (sums / counts).T, np.where(rest[1] > 0, rest[0] / rest[1], np.nan).T
        return tuple(  # type: ignore[return-value]
            np.array([_of(score, weights * mask) for mask in some]) for some in (masks, 1.0 - masks)
        )


def _of(score: Score, weights: Weights) -> Floats:
    """NaN where a resample has no row."""
    there = weights.sum(axis=1) > 0
    figures = np.full(len(weights), np.nan)
    if there.any():
        figures[there] = score.resampled(weights[there])
    return figures
