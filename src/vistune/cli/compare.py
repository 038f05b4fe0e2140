"""`vistune compare`: is one run better than another on the same samples?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vistune.cli.effect import refuse_without_effect

if TYPE_CHECKING:
    from vistune.evaluate.metrics.bootstrap import Comparison


def compare(
    ctx: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A", help="Rows (jsonl) or run folder of the first run.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The same of the second run, with the same ids.")],
    metric: Annotated[
        str | None,
        typer.Option(
            help="Score the answers of both by this metric of `vistune score`.",
            show_default="the mean of the score in each row",
        ),
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="The reference rows, with --metric.", show_default=False)
    ] = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Count empty answers as they are instead of refusing them.")
    ] = False,
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root",
            envvar="VISTUNE_DATA_ROOT",
            help="Of run folders: where the data sets are, for figures that are no means over rows.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program can read.")] = False,
) -> None:
    """Tell the figure of B minus that of A with its 95 % interval, by a paired bootstrap over samples.

    Of two run folders of `vistune eval`, every benchmark that both have.

    [bold]Examples:[/bold]
      vistune compare before.jsonl after.jsonl --metric vqa --references references.jsonl
      vistune compare runs/eval/before runs/eval/after
    """
    from vistune.errors import InputError
    from vistune.evaluate.metrics.bootstrap import compare_scores
    from vistune.evaluate.metrics.registry import metric_named, score_files, scores_in_rows

    if (metric is None) != (references is None):
        raise InputError(
            "--metric and --references belong together; give both, or none to compare the rows' own scores."
        )
    if a.is_dir() != b.is_dir():
        folder, other = (a, b) if a.is_dir() else (b, a)
        raise InputError(
            f"{str(folder)!r} is a folder and {str(other)!r} is not; compare two runs or two files of rows."
        )
    if a.is_dir():
        if metric is not None:
            raise InputError("--metric is for files of rows; the benchmarks of run folders have metrics of their own.")
        refuse_without_effect(ctx, ["allow_empty"], "the answers of run folders are scored as they were there")
        _compare_folders(a, b, data_root, as_json)
        return
    refuse_without_effect(ctx, ["data_root"], "it is for run folders")
    if metric is None or references is None:
        refuse_without_effect(ctx, ["allow_empty"], "without --metric the rows' own scores are compared")
        scored = scores_in_rows(a, b)
    else:
        chosen = metric_named(metric)
        first, second = (score_files(chosen, path, references, allow_empty=allow_empty) for path in (a, b))
        scored = first, second
    found = compare_scores(*scored)
    if as_json:
        shown = {"metric": metric, "a": scored[0].value, "b": scored[1].value, **_figures(found)}
        typer.echo(json.dumps(shown, indent=2))
        return
    typer.echo(f"a: {scored[0].value:.4f}   b: {scored[1].value:.4f}   n = {found.n:,}")
    typer.echo(
        f"b - a: {found.difference:+.4f} (95 % interval {found.low:+.4f} to {found.high:+.4f}, p = {found.p_value:.3f})"
    )


def _figures(found: Comparison) -> dict[str, Any]:
    return {**asdict(found), "interval": [found.low, found.high]}


def _compare_folders(a: Path, b: Path, data_root: Path | None, as_json: bool) -> None:
    """Every benchmark of both runs."""
    from vistune.evaluate.runner.comparing import compare_runs

    compared = compare_runs(a, b, data_root)
    if as_json:
        rows = [
            {
                "benchmark": one.name,
                "metric": one.metric,
                "unit": one.unit,
                "a": one.a,
                "b": one.b,
                **_figures(one.found),
            }
            for one in compared
        ]
        typer.echo(json.dumps({"benchmarks": rows}, indent=2))
        return
    width = max(len(one.name) for one in compared)
    for one in compared:
        found = one.found
        typer.echo(
            f"{one.name:{width}}  a: {one.a:.4f}   b: {one.b:.4f}   b - a: {found.difference:+.4f} "
            f"(95 % interval {found.low:+.4f} to {found.high:+.4f}, p = {found.p_value:.3f}, n = {found.n:,})"
        )
