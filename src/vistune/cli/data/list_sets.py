"""`vistune data list`: the data sets there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vistune.data.sources.base import SetInfo


def list_sets(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects that a program can read.")] = False,
) -> None:
    """List the data sets: InstructBLIP's 13 held-in and 13 held-out ones, and what LLaVA needs.

    Numbers are rows by split, about (~) where they are known in round figures only.

    Example: vistune data list --json
    """
    from vistune.data.catalogue import infos

    found = infos()
    if as_json:
        typer.echo(json.dumps([_object(info) for info in found], indent=2, ensure_ascii=False))
        return
    rows = [("NAME", "GROUP", "ROLE", "METRIC", "SPLITS")]
    rows += [(info.name, info.group, info.role, info.metric, _splits(info)) for info in found]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[-1]]))


def _object(info: SetInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "title": info.title,
        "group": info.group,
        "role": info.role,
        "splits": dict(info.splits),
        "metric": info.metric,
        "licence": info.licence,
        "url": info.url,
    }


def _splits(info: SetInfo) -> str:
    return ", ".join(
        f"{split} {'~' if split in info.rounded else ''}{count:,}" if count is not None else split
        for split, count in info.splits.items()
    )
