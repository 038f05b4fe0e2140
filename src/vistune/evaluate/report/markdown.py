"""results.md: the figures in a form that goes into any text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vistune.evaluate.report.commands import limits
from vistune.evaluate.report.figures import Entry, interval, metric_of, missing_words, number, shown, title_of
from vistune.evaluate.report.judged import judged_parts, judged_words
from vistune.evaluate.report.page import model_name
from vistune.evaluate.report.published import Cell, Comparison, comparisons, with_average


def build_markdown(results: Mapping[str, Any]) -> str:
    """Measured figures, then a table for each table of a paper."""
    entries = with_average(list(results["benchmarks"]))
    model = model_name(results)
    parts = [f"# {_cell(model)}"]
    if limits(results):
        parts.append(f"**{limits(results)}**")
    parts.append(_table(["Benchmark", "Metric", "Measured", "95 % interval", "n", "Protocol"], map(_row, entries)))
    parts.append("On the scale of the papers' tables: CIDEr, MRR and AUC are times 100.")
    for entry in entries:
        if words := judged_words(entry):
            parts.append(f"{_cell(title_of(entry))}: {_cell(words)}")
            parts.append(_table(["Part", "Measured", "95 % interval", "n"], judged_parts(entry)))
    for found in comparisons(entries):
        parts.append(f"## {_cell(found.table)} (published)")
        parts.append(f"{_cell(found.paper)}. The first row was measured here, all others are published figures.")
        parts.append(_table(["", *found.columns], _rows(found, model)))
    return "\n\n".join(parts) + "\n"


def _row(entry: Entry) -> Sequence[str]:
    value = missing_words(entry) if entry.get("value") is None else shown(entry, entry["value"])
    count = "" if entry.get("n") is None else f"{entry['n']:,}"
    name = title_of(entry) + (f" ({entry['split']})" if entry.get("split") else "")
    return (
        name,
        metric_of(entry),
        value,
        interval(entry, entry.get("interval")),
        count,
        str(entry.get("protocol") or ""),
    )


def _rows(found: Comparison, model: str) -> list[list[str]]:
    def words(cell: Cell | None) -> str:
        if cell is None:
            return ""
        around = f" [{number(cell.interval[0])}, {number(cell.interval[1])}]" if cell.interval else ""
        return number(cell.value) + around + (f" ({cell.note})" if cell.note else "")

    own = [f"{model} (measured)", *(words(cell) or "–" for cell in found.measured)]
    return [own, *([f"{name} (published)", *map(words, cells)] for name, cells in found.rows.items())]


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Nothing in it is taken for Markdown's or HTML's."""
    if set(text) == {"-"}:
        return text
    for sign in "\\`*_{}[]<>|#":
        text = text.replace(sign, f"\\{sign}") if sign not in "[]" else text
    return " ".join(text.split())
