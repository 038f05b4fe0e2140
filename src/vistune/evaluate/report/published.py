"""What the papers print beside what was measured: one table a table of theirs, of the benchmarks that were run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vistune.evaluate.report.analysis.columns import PARTS
from vistune.evaluate.report.figures import Entry, title_of

AVERAGE = "held_in_average"
_AVERAGED = ("coco_caption", "okvqa", "aokvqa_da", "textcaps")


@dataclass(frozen=True)
class Cell:
    """A figure on the papers' scale. interval: of what was measured. note: of what was published."""

    value: float
    interval: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """A table of a paper.

    Args:
        table, paper: where it stands. columns: titles.
        measured: one cell a column, None where nothing was measured. rows: the paper's, by model.
    """

    table: str
    paper: str
    columns: tuple[str, ...]
    measured: tuple[Cell | None, ...]
    rows: dict[str, tuple[Cell | None, ...]]


def comparisons(entries: Sequence[Entry]) -> list[Comparison]:
    """Every table that prints something of a benchmark that was run, with what was measured in front."""
    tables: dict[str, list[tuple[Entry, dict[str, Any]]]] = {}
    for entry in entries:
        for row in entry.get("published") or ():
            tables.setdefault(row["table"], []).append((entry, row))
    return [_comparison(name, rows) for name, rows in tables.items()]


def _comparison(name: str, rows: Sequence[tuple[Entry, dict[str, Any]]]) -> Comparison:
    places = _places(name)
    columns = list(dict.fromkeys((entry["name"], row.get("part") or "") for entry, row in rows))
    columns.sort(key=lambda column: places.get(column, len(places)))
    entries = {entry["name"]: entry for entry, _ in rows}
    models: dict[str, dict[tuple[str, str], Cell]] = {}
    for entry, row in rows:
        key = (entry["name"], row.get("part") or "")
        models.setdefault(row["model"], {})[key] = Cell(row["printed"], note=row.get("note") or "")
    order = _order(name)
    models = dict(sorted(models.items(), key=lambda item: order.get(item[0], len(order))))
    return Comparison(
        name,
        rows[0][1].get("paper") or "",
        tuple(f"{title_of(entries[key])}{f', {part}' if part else ''}" for key, part in columns),
        tuple(_measured(entries[key], part) for key, part in columns),
        {model: tuple(cells.get(column) for column in columns) for model, cells in models.items()},
    )


def _places(table: str) -> dict[tuple[str, str], int]:
    """Places of the columns in a paper's table, by benchmark and part."""
    from vistune.evaluate.benchmarks.published import columns, tables

    known = columns(tables()[table]) if table in tables() else []
    return {(benchmark, part): place for place, (benchmark, part, _) in enumerate(known)}


def _order(table: str) -> dict[str, int]:
    """Places of the models in a paper's table; none of one that is not known (any more)."""
    from vistune.evaluate.benchmarks.published import tables

    return {model: place for place, model in enumerate(tables().get(table, {}).get("rows", ()))}


def _measured(entry: Entry, part: str) -> Cell | None:
    """The figure of a benchmark or of a part of it. Where answers are not public there is none."""
    if entry.get("value") is None or entry.get("public_answers") is False:
        return None
    factor = 100 if entry.get("unit") == "fraction" else 1
    value, ends = _part(entry, part) if part else (entry["value"], entry.get("interval"))
    if value is None:
        return None
    return Cell(factor * value, (factor * ends[0], factor * ends[1]) if ends else None)


def _part(entry: Entry, part: str) -> tuple[float | None, Sequence[float] | None]:
    """The figure of a part of the data with its interval, as the break-downs have it, else as the details have it."""
    for column in (entry.get("analysis") or {}).get("by") or ():
        if column["column"] == PARTS:
            for row in column["values"]:
                if row["value"] == part:
                    return float(row["figure"]), row.get("interval")
    details = entry.get("details") or {}
    if part in (details.get("categories") or {}):
        # POPE's categories: F1, which the metric has as a fraction and the papers in percent.
        return 100 * float(details["categories"][part]["f1"]), None
    if part in (details.get("parts") or {}):
        return float(details["parts"][part]["value"]), details["parts"][part].get("interval")
    return None, None


def with_average(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, and the held-in average of InstructBLIP's table 2 if all of its parts were measured.

    Its interval takes the four sets as independent.
    """
    by_name = {entry["name"]: entry for entry in entries}
    parts = [by_name.get(name) for name in _AVERAGED]
    cells = [_measured(part, "") if part else None for part in parts]
    known = [cell for cell in cells if cell is not None]
    if len(known) < len(_AVERAGED):
        return list(entries)
    value = sum(cell.value for cell in known) / len(known)
    ends = [cell.interval for cell in known]
    sides = None
    if all(ends):
        low = sum((cell.value - end[0]) ** 2 for cell, end in zip(known, ends, strict=True) if end) ** 0.5
        high = sum((end[1] - cell.value) ** 2 for cell, end in zip(known, ends, strict=True) if end) ** 0.5
        sides = [value - low / len(known), value + high / len(known)]
    average = {
        "name": AVERAGE,
        "title": "Held-in average",
        "metric": "mean of COCO Caption, OKVQA, A-OKVQA (direct answer), TextCaps",
        "unit": "percent",
        "value": value,
        "interval": sides,
        "n": sum(int(part.get("n") or 0) for part in parts if part),
        "published": _published_average(),
    }
    return [*entries, average]


def _published_average() -> list[dict[str, Any]]:
    from vistune.evaluate.benchmarks.published import tables

    found = []
    for name, table in tables().items():
        if AVERAGE not in table["columns"]:
            continue
        place = table["columns"].index(AVERAGE)
        for model, values in table["rows"].items():
            note = table.get("notes", {}).get(model, {}).get(AVERAGE, table.get("note", ""))
            found.append(
                {
                    "model": model,
                    "printed": values[place],
                    "table": name,
                    "paper": table["paper"],
                    "note": note,
                }
            )
    return found
