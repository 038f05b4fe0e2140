"""`vistune data overlap`: which evaluation pictures are among the training pictures?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vistune.cli.data.options import DataRoot
from vistune.cli.failures import RESUME_HINT
from vistune.data.counting import count_of

if TYPE_CHECKING:
    from vistune.data.overlap.compare import OverlapReport, Shared

_HOW = {"id": "by name", "bytes": "the same file", "look": "alike"}


def overlap(
    ctx: typer.Context,
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe: a YAML file, or a packaged one such as instructblip.")
    ],
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help="What is measured on: instructblip, held-out, held-in, or names of sets (or files of your own rows) "
            "with commas between them.",
        ),
    ],
    data_root: DataRoot = None,
    names_only: Annotated[
        bool, typer.Option("--names-only", help="Compare names and paths alone; no picture is opened.")
    ] = False,
    distance: Annotated[
        int, typer.Option(min=0, max=11, help="Bits of 64 in which the hashes of two copies may differ.")
    ] = 10,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps the hashes of pictures.", show_default="~/.cache/vistune/looks"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that open pictures.", show_default="one a core")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a report that a program can read.")] = False,
) -> None:
    """Find the pictures that the sets of a recipe share with those of a suite.

    Pictures are the same by their COCO, Visual Genome or Flickr names, by their bytes, or by what they look like:
    copies that were saved again, resized or slightly cropped are found.

    [bold]Example:[/bold]  vistune data overlap instructblip held-out --data-root data
    """
    from vistune.data.overlap.compare import compare
    from vistune.data.overlap.looks import default_cache
    from vistune.data.overlap.sets import evaluation_sets, training_sets
    from vistune.data.recipe import load_data_recipe

    chosen = load_data_recipe(recipe)
    root = chosen.root(data_root)
    ctx.meta[RESUME_HINT] = "what was looked at is kept; run the same command again to go on"
    report = compare(
        training_sets(chosen, root),
        evaluation_sets(suite, root),
        root,
        look=not names_only,
        cache=cache or default_cache(),
        workers=workers,
        distance=distance,
        on_progress=None if as_json else _tell,
    )
    if as_json:
        typer.echo(json.dumps({"recipe": recipe, "suite": suite, **report.as_dict()}, indent=2, ensure_ascii=False))
    else:
        _print(report)


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\033[K{line}", err=True, nl=False)


def _print(report: OverlapReport) -> None:
    _tell("")
    for side, sets in (("training", report.train), ("evaluation", report.evaluation)):
        for label, numbers in sets.items():
            broken = f", {numbers['unreadable']:,} that do not open" if numbers["unreadable"] else ""
            typer.echo(
                f"{side}: {label}: {count_of(numbers['rows'], 'row')}, {count_of(numbers['pictures'], 'picture')}, "
                f"{numbers['named']:,} with names{broken}"
            )
    for label, reason in report.missing.items():
        typer.echo(f"not compared: {label}: {reason}")
    if report.aliases is None:
        typer.echo("note: without Visual Genome's image_data.json its pictures are not known by COCO's names")
    if not report.looked_at:
        typer.echo("note: pictures were not opened; copies under other names are not found")
    if report.plain:
        typer.echo(f"note: {report.plain:,} pictures have too little in them to be known by their look")
    for shared in report.shared:
        _print_shared(shared)
    count = len(report.shared)
    pairs = len(report.train) * len(report.evaluation)
    typer.echo(f"{count} of {pairs} pairs of sets share pictures" if count else "no pictures are shared")


def _print_shared(shared: Shared) -> None:
    ways = ", ".join(f"{count:,} {_HOW[how]}" for how, count in shared.by.items() if count)
    share = f"{count_of(shared.pictures, 'picture')} of {shared.evaluation} ({shared.share:.2%})"
    typer.echo(f"shared: {share} are in {shared.train}: {ways}")
    for pair in shared.examples:
        if pair["how"] == "id":
            typer.echo(f"    {pair['id']}")
        else:
            extra = f" (likeness {pair['likeness']:.3f})" if "likeness" in pair else ""
            typer.echo(f"    {pair['evaluation']} is {pair['train']}{extra}")
