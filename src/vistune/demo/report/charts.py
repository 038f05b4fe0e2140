"""Pictures in SVG: accuracies beside their floors, and loss curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_INK, _SOFT, _LINE = "#1d2733", "#5d6b7a", "#e3e8ee"
COLOURS = {"instructblip": "#0b7285", "llava": "#c2571a"}
_FLOOR = "#97a3b0"


@dataclass(frozen=True)
class Row:
    """One task in the chart: accuracy and standard error by model, and the two floors."""

    name: str
    role: str
    values: dict[str, tuple[float, float]]
    majority: float
    blind: float


def accuracy_chart(rows: Sequence[Row], labels: dict[str, str]) -> str:
    """A line a task: a dot with its standard error for each model, a bar up to the higher floor."""
    left, right, height = 130, 30, 34
    width = 940
    span = width - left - right
    top = 40
    bottom = top + height * len(rows)
    parts = [_legend(labels, left)]
    for tick in range(0, 11, 2):
        x = left + span * tick / 10
        parts.append(f'<line x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{bottom}" stroke="{_LINE}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="{_SOFT}">{tick * 10} %</text>')
    for index, row in enumerate(rows):
        y = top + height * index + height / 2
        if index and rows[index - 1].role != row.role:
            line = y - height / 2
            parts.append(f'<line x1="0" y1="{line}" x2="{width}" y2="{line}" stroke="#b9c3cd" stroke-dasharray="3 4"/>')
        parts.append(f'<text x="0" y="{y + 4}" fill="{_INK}" font-size="13">{escape(row.name)}</text>')
        floor = max(row.majority, row.blind)
        parts.append(
            f'<rect x="{left}" y="{y - 9}" width="{max(1.0, span * floor):.1f}" height="18" rx="3" fill="#e9edf1"/>'
        )
        for value, dash in ((row.majority, ""), (row.blind, ' stroke-dasharray="3 2"')):
            x = left + span * value
            parts.append(
                f'<line x1="{x:.1f}" y1="{y - 9}" x2="{x:.1f}" y2="{y + 9}" stroke="{_FLOOR}" stroke-width="2"{dash}/>'
            )
        parts += [
            _dot(left, span, y + offset, value, error, COLOURS[name])
            for offset, (name, (value, error)) in zip((-5, 5), row.values.items(), strict=False)
        ]
    return f'<svg viewBox="0 0 {width} {bottom + 26}" role="img" aria-label="Accuracy by task">{"".join(parts)}</svg>'


def _dot(left: float, span: float, y: float, value: float, error: float, colour: str) -> str:
    x = left + span * value
    low, high = left + span * max(0.0, value - error), left + span * min(1.0, value + error)
    return (
        f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{x:.1f}" cy="{y}" r="4.5" fill="{colour}"/>'
    )


def _legend(labels: dict[str, str], left: float) -> str:
    parts, x = [], left
    for name, label in labels.items():
        parts.append(f'<circle cx="{x + 5}" cy="12" r="4.5" fill="{COLOURS[name]}"/>')
        parts.append(f'<text x="{x + 15}" y="16" fill="{_INK}">{escape(label)}</text>')
        x += 30 + 7 * len(label)
    for label, dash in (("majority", ""), ("blind", ' stroke-dasharray="3 2"')):
        parts.append(f'<line x1="{x + 5}" y1="4" x2="{x + 5}" y2="20" stroke="{_FLOOR}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="{x + 13}" y="16" fill="{_INK}">{label}</text>')
        x += 30 + 7 * len(label)
    return "".join(parts)


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
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 6}" y2="{y:.1f}" stroke="{_LINE}"/>')
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{_SOFT}" font-size="11">{tick:g}</text>'
        )
    for step, anchor, x in ((0, "start", left), (len(losses), "end", width - 6)):
        parts.append(
            f'<text x="{x}" y="{height - 6}" text-anchor="{anchor}" fill="{_SOFT}" font-size="11">{step}</text>'
        )
    middle = (left + width) / 2
    parts.append(f'<text x="{middle}" y="{height - 6}" text-anchor="middle" fill="{_SOFT}" font-size="11">step</text>')
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
