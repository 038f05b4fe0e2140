"""Small pictures in SVG that keep their words outside, so that they can be read at any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from vistune.evaluate.report.figures import Entry, number, printed, share, shown, title_of

_WIDTH, _HEIGHT = 100, 20
_POINTS = 2000.0


def overview(entries: Sequence[Entry]) -> str:
    """A bar for each benchmark with a figure, its interval on it, published figures as lines; "" without any figure."""
    rows = [
        f'<div class="name">{escape(title_of(entry))}</div>{_bar(entry)}<div class="figure">'
        f"{shown(entry, entry['value'])}</div>"
        for entry in entries
        if entry.get("value") is not None
    ]
    if not rows:
        return ""
    return (
        f'<figure><div class="bars">{"".join(rows)}</div><figcaption>Bars: measured, with the 95 % interval at their '
        "end. Lines below: published figures. Each bar has its own scale: up to 100, to the highest figure where CIDEr "
        "goes further, to 2,000 where points are told.</figcaption></figure>"
    )


def _bar(entry: Entry) -> str:
    value = printed(entry, entry["value"])
    others = [(row["model"], row["printed"]) for row in entry.get("published") or () if not row.get("part")]
    ends = [printed(entry, end) for end in entry.get("interval") or ()]
    top = _POINTS if entry.get("unit") == "points" else max(100.0, value, *ends, *(figure for _, figure in others))
    lines = "".join(
        f'<line class="published" x1="{_x(figure, top)}" x2="{_x(figure, top)}" y1="14" y2="20"><title>'
        f"{escape(model)}: {number(figure)}, published</title></line>"
        for model, figure in others
    )
    whisker = ""
    if ends:
        low, high = (_x(end, top) for end in ends)
        whisker = f'<line class="whisker" x1="{low}" x2="{high}" y1="6.5" y2="6.5"/>' + "".join(
            f'<line class="whisker" x1="{end}" x2="{end}" y1="3.5" y2="9.5"/>' for end in (low, high)
        )
    return _svg(
        f"{title_of(entry)}: {number(value)}",
        f'<rect class="track" width="{_WIDTH}" height="13"/><rect class="own" y="0" '
        f'width="{_x(value, top)}" height="13"/>{lines}{whisker}',
    )


def pairs(rows: Sequence[tuple[str, float, float | None]], labels: tuple[str, str]) -> str:
    """Two bars a row, what was said above what is right.

    Args:
        rows: name, share said, share right (None: not known). labels: of the two.
    """
    top = max([said for _, said, _ in rows] + [right or 0.0 for _, _, right in rows] + [1e-9])
    listed = []
    for name, said, right in rows:
        bars = f'<rect class="own" y="2" width="{_x(said, top)}" height="8"/>'
        if right is not None:
            bars += f'<rect class="other" y="11" width="{_x(right, top)}" height="6"/>'
        words = f"{share(said)} <small>{share(right)}</small>" if right is not None else share(said)
        picture = _svg(f"{name}: {share(said)}, {share(right)}", bars)
        listed.append(f'<div class="name">{escape(name)}</div>{picture}<div class="figure">{words}</div>')
    return f'<div class="bars small">{"".join(listed)}</div>{_legend(labels, any(row[2] is not None for row in rows))}'


def histogram(bins: Sequence[Mapping[str, Any]], known: bool) -> str:
    """How long answers are, in words, beside the right answers if those are known."""
    width, height, bottom = 320, 120, 18
    top = max(max(entry["answers"], entry["references"]) for entry in bins) or 1.0
    step = width / len(bins)
    parts = [f'<line class="grid" x1="0" x2="{width}" y1="{height - bottom}" y2="{height - bottom}"/>']
    every = -(-len(bins) // 6)
    for place, entry in enumerate(bins):
        kinds = (("own", entry["answers"]), ("other", entry["references"]))[: 2 if known else 1]
        for offset, (kind, value) in enumerate(kinds):
            tall = (height - bottom - 6) * value / top
            wide = step * 0.8 / len(kinds)
            x = step * (place + 0.1) + offset * wide
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{height - bottom - tall:.1f}" width="{wide:.1f}" '
                f'height="{tall:.1f}"/>'
            )
        if place % every == 0:
            more = "+" if place == len(bins) - 1 and place else ""
            parts.append(
                f'<text class="tick" x="{step * (place + 0.5):.1f}" y="{height - 4}" text-anchor="middle">'
                f"{entry['from']}{more}</text>"
            )
    picture = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Words an answer">{"".join(parts)}</svg>'
    return picture + _legend(("answers", "right answers"), known)


def _legend(labels: tuple[str, str], both: bool) -> str:
    other = f' <i class="other"></i>{escape(labels[1])}' if both else ""
    return f'<p class="legend"><i class="own"></i>{escape(labels[0])}{other}</p>'


def _x(value: float, top: float) -> str:
    return f"{_WIDTH * min(1.0, max(0.0, value / top)):.2f}"


def _svg(label: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f"{content}</svg>"
    )
