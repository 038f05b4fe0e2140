"""A picture of the loss over the steps, in SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from vistune.data.storage import written_whole
from vistune.train.reports.json_log import LOG_FILE, read_log
from vistune.train.reports.report import Report
from vistune.train.result import StageResult

CURVE_FILE = "curve.svg"
_SOFT, _LINE, _COLOUR = "#5d6b7a", "#e3e8ee", "#0b7285"
# Pages give the classes their own colours, light or dark.
_TEXT = f'fill="{_SOFT}" font-size="11" class="tick"'


class Curve(Report):
    """Draws ``curve.svg`` from the stage's log when it ends.

    Args:
        folder: of the stage.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def end(self, result: StageResult) -> None:
        """Draw it."""
        losses = [float(entry["loss"]) for entry in read_log(self._folder / LOG_FILE)]
        picture = loss_chart(losses, _COLOUR)
        if picture:
            named = picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" ', 1)
            with written_whole(self._folder / CURVE_FILE) as part:
                part.write_text(named + "\n", encoding="utf-8")


def loss_chart(losses: Sequence[float], colour: str) -> str:
    """Loss over the steps: every step in a light tone, its running mean in a full one; the axis is logarithmic."""
    width, height, left, bottom, top = 300, 170, 38, 22, 8
    finite = [loss for loss in losses if loss > 0]
    if not finite:
        return ""
    smooth = _running_mean(losses)
    low, high = min(min(smooth), _quantile(finite, 0.02)), max(max(smooth), _quantile(finite, 0.98))
    low, high = math.log(low * 0.95), math.log(high * 1.05)

    def points(values: Sequence[float]) -> str:
        placed = []
        for step, value in enumerate(values):
            x = left + (width - left - 6) * (step / max(1, len(values) - 1))
            share = (math.log(max(value, 1e-9)) - low) / (high - low)
            y = top + (height - top - bottom) * (1 - min(1.0, max(0.0, share)))
            placed.append(f"{x:.1f},{y:.1f}")
        return " ".join(placed)

    parts = []
    for tick in _ticks(math.exp(low), math.exp(high)):
        y = top + (height - top - bottom) * (1 - (math.log(tick) - low) / (high - low))
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 6}" y2="{y:.1f}" stroke="{_LINE}" class="grid"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" {_TEXT}>{tick:g}</text>')
    for step, anchor, x in ((0, "start", left), (len(losses), "end", width - 6)):
        parts.append(f'<text x="{x}" y="{height - 6}" text-anchor="{anchor}" {_TEXT}>{step}</text>')
    middle = (left + width) / 2
    parts.append(f'<text x="{middle}" y="{height - 6}" text-anchor="middle" {_TEXT}>step</text>')
    thin = _thinned(losses)
    parts.append(f'<polyline points="{points(thin)}" fill="none" stroke="{colour}" stroke-opacity=".25"/>')
    parts.append(f'<polyline points="{points(_thinned(smooth))}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Loss over steps">{"".join(parts)}</svg>'


def _running_mean(values: Sequence[float]) -> list[float]:
    """Exponential mean over about a thirtieth of the run."""
    weight = 1 / max(1.0, len(values) / 30)
    smooth, current = [], values[0]
    for value in values:
        current += weight * (value - current)
        smooth.append(current)
    return smooth


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers (1, 2, 5 times powers of ten) between the two."""
    found = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        found += [step * 10.0**power for step in (1, 2, 5) if low <= step * 10.0**power <= high]
    return [round(tick, 6) for tick in found]


def _thinned(values: Sequence[float], most: int = 400) -> list[float]:
    every = max(1, math.ceil(len(values) / most))
    return list(values[::every])
