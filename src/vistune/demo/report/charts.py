"""Accuracies beside their floors, in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# Of the page, light or dark.
_INK, _SOFT, _LINE = "var(--ink)", "var(--soft)", "var(--line)"
COLOURS = {"instructblip": "var(--a)", "llava": "var(--b)"}
_FLOOR = "var(--floor)"


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
            ends = f'x1="0" y1="{line}" x2="{width}" y2="{line}"'
            parts.append(f'<line {ends} stroke="{_FLOOR}" stroke-dasharray="3 4"/>')
        parts.append(f'<text x="0" y="{y + 4}" fill="{_INK}" font-size="13">{escape(row.name)}</text>')
        floor = max(row.majority, row.blind)
        parts.append(
            f'<rect x="{left}" y="{y - 9}" width="{max(1.0, span * floor):.1f}" height="18" rx="3" fill="{_LINE}"/>'
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
