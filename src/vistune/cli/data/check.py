"""`vistune data check`: is a data set whole?"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vistune.cli.data.options import NeededDataRoot
from vistune.data.counting import count_of

if TYPE_CHECKING:
    from vistune.data.check import CheckReport


def check(
    name: Annotated[str, typer.Argument(help="A data set of `vistune data list`.", show_default=False)],
    data_root: NeededDataRoot,
    split: Annotated[list[str] | None, typer.Option(help="Look at this split only (several times: these).")] = None,
    pictures: Annotated[int, typer.Option("--open", min=0, help="Pictures of each split to open.")] = 100,
    open_all: Annotated[bool, typer.Option("--open-all", help="Open every picture.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a report that a program can read.")] = False,
) -> None:
    """Check a data set: its files, numbers of rows, ids, pictures, and those that training and measuring share.

    The exit code is 1 if there are problems.

    Example: vistune data check okvqa --data-root data
    """
    from vistune.data.catalogue import source
    from vistune.data.check import check_set

    report = check_set(
        source(name), data_root, tuple(split or ()), None if open_all else pictures, None if as_json else _tell
    )
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(1)


def _tell(split: str, rows: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{split}: {count_of(rows, 'row')}", err=True, nl=False)


def _print(report: CheckReport) -> None:
    if sys.stderr.isatty():
        typer.echo("\r\033[K", err=True, nl=False)
    for split, found in report.splits.items():
        for path in found.files:
            typer.echo(f"{split}: {path}")
        if found.rows is not None:
            typer.echo(f"{split}: {count_of(found.rows, 'row')}, {count_of(found.opened, 'picture')} opened")
    for folder, there in report.image_folders.items():
        typer.echo(f"pictures: {folder}{'' if there else ' is not there'}")
    for path, there in report.optional.items():
        if there:
            typer.echo(f"also read: {path}")
    if report.answers is not None:
        typer.echo(f"answers to rank: {report.answers:,}")
    for split, count in report.shared_pictures.items():
        typer.echo(f"{split}: {count_of(count, 'picture')} shared with training")
    for note in report.notes:
        typer.echo(f"note: {note}")
    for problem in report.problems:
        typer.echo(f"problem: {problem}")
    typer.echo(f"{report.name} is whole" if report.ok else f"{report.name} has problems; get it from {report.url}")
