"""`vistune benchmarks`: what can be measured, what data each benchmark needs, and whether it is there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vistune.evaluate.benchmarks import Benchmark

_SHOWN = 3


def benchmarks(
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the data sets; VISTUNE_DATA_ROOT stands in. Without, nothing is looked for."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print objects that a program can read.")] = False,
) -> None:
    """List the benchmarks, the data they need and whether it is there, and the suites.

    Files may stand in several places; the table shows the first, --json all of them.

    Example: vistune benchmarks --data-root data
    """
    from vistune.errors import DataError
    from vistune.evaluate.benchmarks import BENCHMARKS, SUITES

    given = data_root or os.environ.get("VISTUNE_DATA_ROOT")
    root = Path(given).expanduser() if given else None
    if root is not None and not root.is_dir():
        raise DataError(f"There is no data folder {str(root)!r}; give the one that holds the data sets.")
    found = [_object(item, root) for item in BENCHMARKS.values()]
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    rows = [("NAME", "METRIC", "ANSWERED BY", "SPLIT", "DATA")]
    rows += [(item["name"], item["metric"], _how(item), item["split"], _data(item)) for item in found]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        typer.echo("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
    typer.echo("\nSuites:")
    for name, members in SUITES.items():
        typer.echo(f"  {name}: {', '.join(members)}")


def _object(item: Benchmark, root: Path | None) -> dict[str, Any]:
    from vistune.evaluate.benchmarks import SUITES

    made = item.source == "world"
    missing = item.missing(root) if root is not None else []
    return {
        "name": item.name,
        "title": item.title,
        "group": item.group,
        "role": item.role,
        "source": item.source,
        "split": item.split,
        "metric": item.metric,
        "unit": item.unit,
        "answer": item.answer,
        "public_answers": item.public_answers,
        "submission": item.submission or None,
        "suites": [name for name, members in SUITES.items() if item.name in members],
        "needs": item.needs(),
        "missing": missing,
        "there": True if made else None if root is None else not missing,
        "url": item.url,
        "choices": item.choices,
    }


def _how(item: dict[str, Any]) -> str:
    words = {"generate": "generation", "rank": "ranking", "score": "all pairs"}[item["answer"]]
    return words if item["public_answers"] else f"{words}, no public answers"


def _data(item: dict[str, Any]) -> str:
    if not item["needs"]:
        return "made, no download"
    if item["there"] is None:
        return "needs " + _firsts(item["needs"])
    return "there" if item["there"] else "missing: " + _firsts(item["missing"])


def _firsts(needs: list[str]) -> str:
    """The first place of each, the first few in full."""
    shown = [places.partition(" or ")[0] for places in needs]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
