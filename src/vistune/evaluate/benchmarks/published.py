"""Figures that the papers print, as data: what the report sets beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vistune.data.strict_yaml import read_yaml
from vistune.evaluate.benchmarks.catalogue import BENCHMARKS, FOLDER

_TO_FRACTION = 100


@dataclass(frozen=True)
class Published:
    """A figure that a paper prints.

    Args:
        model: as in the table. value: on the scale of the benchmark's metric. printed: as in the table.
        table, paper: where. part: "" for the benchmark's figure, else what of it, such as "random" of POPE.
        note: what to know of it, such as a figure that is remembered and was not checked.
    """

    model: str
    value: float
    printed: float
    table: str
    paper: str
    part: str = ""
    note: str = ""


def published(name: str) -> list[Published]:
    """All figures of a benchmark, in the order of the tables.

    Figures of one split stand under benchmarks of that split only.
    """
    return [entry for benchmark, entry in _all() if benchmark == name]


def tables() -> dict[str, dict[str, Any]]:
    """The tables as they stand in published.yaml, those of no benchmark too (held-in averages)."""
    content, _ = read_yaml(FOLDER / "published.yaml")
    found: dict[str, dict[str, Any]] = content
    return found


def columns(table: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Benchmark, part of it and place in the rows, of every column; one may be a figure of two benchmarks."""
    found = []
    for place, column in enumerate(table["columns"]):
        for name in filter(None, (column, table.get("also", {}).get(column))):
            benchmark, _, part = name.partition("/")
            found.append((benchmark, part, place))
    return found


@lru_cache(maxsize=1)
def _all() -> tuple[tuple[str, Published], ...]:
    found = []
    for name, table in tables().items():
        for model, values in table["rows"].items():
            for benchmark, part, place in columns(table):
                printed = values[place]
                if printed is None or benchmark not in BENCHMARKS:
                    continue
                scale = _TO_FRACTION if BENCHMARKS[benchmark].unit == "fraction" else 1
                note = table.get("notes", {}).get(model, {}).get(table["columns"][place], table.get("note", ""))
                entry = Published(model, round(printed / scale, 6), printed, name, table["paper"], part, note)
                found.append((benchmark, entry))
    return tuple(found)
