"""`vistune eval`: a model, or another system's answers, on benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vistune.cli.failures import RESUME_HINT


def evaluate(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A checkpoint folder or a name on the hub; with --predictions any name."),
    ],
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="NAME", help="All benchmarks of a suite.", show_default=False)
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option("--benchmark", metavar="NAME", help="One benchmark; may be given again.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", metavar="NAME", help="Name or YAML file of a protocol.", show_default="the model's own"
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", envvar="VISTUNE_DATA_ROOT", help="Folder of the known data sets."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the results.", show_default="runs/eval/MODEL")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="So many questions of each.")] = None,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Take rows in a random order; for --limit.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of --shuffle.")] = 0,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", help="Score these answers (jsonl with id and answer or scores)."),
    ] = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="With --predictions: count empty answers instead of refusing them.")
    ] = False,
    submission: Annotated[
        bool, typer.Option("--submission", help="Write the official files for splits without public answers.")
    ] = False,
    columns: Annotated[
        Path | None,
        typer.Option("--columns", metavar="FILE", help="Tell figures apart by these columns (jsonl with id)."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", metavar="N", help="Rows at a time.")] = 16,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")] = "auto",
    revision: Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit of a hub name.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Measure a model on benchmarks: rows, results.json, results.md and report.html in --out.

    Answers that stand there already are taken where model, prompt, settings and pictures are the same, so the same
    command goes on where it was stopped. Several processes are started with torchrun, as in
    [dim]torchrun --nproc-per-node 8 -m vistune eval ...[/dim]

    [bold]Example:[/bold]  vistune eval runs/demo/instructblip --suite world --limit 100 --out runs/eval/demo
    """
    from vistune.evaluate.runner.request import Request, chosen_benchmarks

    request = Request(
        model=model,
        benchmarks=chosen_benchmarks(suite, benchmark or []),
        out=out or Path("runs", "eval", Path(model).name or "model"),
        suite=suite,
        protocol=protocol,
        data_root=data_root,
        limit=limit,
        shuffle=shuffle,
        seed=seed,
        batch_size=batch_size,
        submission=submission,
        columns=columns,
    )
    from vistune.evaluate.runner.suite import run_evaluation, run_predictions

    def say(line: str) -> None:
        typer.echo(line, err=as_json)

    if predictions is not None:
        content = run_predictions(request, predictions, say, allow_empty=allow_empty)
    else:
        if allow_empty:
            raise typer.BadParameter("it goes with --predictions; give both.", param_hint="--allow-empty")
        ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
        found = run_evaluation(
            request, say, device=device, dtype=dtype, revision=revision, trust_remote_code=trust_remote_code
        )
        if found is None:
            return
        content = found
    if as_json:
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
