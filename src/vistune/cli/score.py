"""`vistune score`: the answers of any system against reference answers, by an official metric."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vistune.evaluate.metrics.registry import Metric
    from vistune.evaluate.metrics.score import Score


def score(
    metric: Annotated[
        str,
        typer.Argument(
            metavar="METRIC",
            help="cider, bleu, rouge-l, vqa, vqa-evalai, anls, exact, aokvqa-da, auc, ranks, ivqa, pope, scienceqa, "
            "nlvr.",
        ),
    ],
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS.jsonl", help="Rows with id and answer, or scores: one a candidate, higher is better."
        ),
    ],
    references: Annotated[
        Path,
        typer.Argument(
            metavar="REFERENCES.jsonl", help="Rows with id and answers, or answer_index (from 0), n_choices, relevance."
        ),
    ],
    ties: Annotated[
        str, typer.Option(help="Rank of candidates with equal scores, for ranks: their mean, or the last of them.")
    ] = "mean",
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Count empty answers as they are instead of refusing them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what a program can read.")] = False,
) -> None:
    """Score answers against references; rows are joined on id, and nothing is counted while a row has no partner.

    [bold]Example:[/bold]  vistune score vqa predictions.jsonl references.jsonl
    """
    from vistune.evaluate.metrics.registry import metric_named, score_files

    chosen = metric_named(metric)
    found = score_files(chosen, predictions, references, ties=ties, allow_empty=allow_empty)
    low, high = found.interval()
    if as_json:
        shown = {
            "metric": metric,
            "value": found.value,
            "n": found.n,
            "interval": [low, high],
            "details": found.details,
        }
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _print(chosen, found, low, high)


def _print(metric: Metric, found: Score, low: float, high: float) -> None:
    digits = 2 if metric.unit == "percent" else 4
    unit = " %" if metric.unit == "percent" else ""
    typer.echo(
        f"{metric.name}: {found.value:.{digits}f}{unit} "
        f"(95 % interval {low:.{digits}f} to {high:.{digits}f}, n = {found.n:,})"
    )
    for name, value in found.details.items():
        typer.echo(f"    {name}: {value:.4f}" if isinstance(value, float) else f"    {name}: {value}")
