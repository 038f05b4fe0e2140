"""`vistune eval`: a model, or another system's answers, on benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vistune.cli.effect import refuse_without_effect
from vistune.cli.failures import RESUME_HINT

if TYPE_CHECKING:
    from vistune.evaluate.runner.request import Request

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A checkpoint folder or a name on the hub; with --predictions any name.")
]
Suite = Annotated[
    str | None, typer.Option("--suite", metavar="NAME", help="All benchmarks of a suite.", show_default=False)
]
Benchmarks = Annotated[
    list[str] | None, typer.Option("--benchmark", metavar="NAME", help="One benchmark; may be given again.")
]
ProtocolName = Annotated[
    str | None,
    typer.Option("--protocol", metavar="NAME", help="Name or YAML file of a protocol.", show_default="the model's own"),
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", envvar="VISTUNE_DATA_ROOT", help="Folder of the known data sets.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the results.", show_default="runs/eval/MODEL")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", help="So many questions of each.")]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="Take rows in a random order; for --limit.")]
Seed = Annotated[int, typer.Option("--seed", help="Of --shuffle.")]
Predictions = Annotated[
    Path | None,
    typer.Option("--predictions", metavar="FILE", help="Score these answers (jsonl with id and answer or scores)."),
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="With --predictions: count empty answers instead of refusing them.")
]
Submission = Annotated[
    bool, typer.Option("--submission", help="Write the official files for splits without public answers.")
]
Columns = Annotated[
    Path | None,
    typer.Option("--columns", metavar="FILE", help="Tell figures apart by these columns (jsonl with id)."),
]
BatchSize = Annotated[int, typer.Option("--batch-size", metavar="N", help="Rows at a time.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")]
Dtype = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
Revision = Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit of a hub name.")]
TrustRemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print results.json.")]


def evaluate(
    ctx: typer.Context,
    model: Model,
    suite: Suite = None,
    benchmark: Benchmarks = None,
    protocol: ProtocolName = None,
    data_root: DataRoot = None,
    out: Out = None,
    limit: Limit = None,
    shuffle: Shuffle = False,
    seed: Seed = 0,
    predictions: Predictions = None,
    allow_empty: AllowEmpty = False,
    submission: Submission = False,
    columns: Columns = None,
    batch_size: BatchSize = 16,
    device: Device = "auto",
    dtype: Dtype = "auto",
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: AsJson = False,
) -> None:
    """Measure a model on benchmarks: rows, results.json, results.md and report.html in --out.

    Answers that stand there already are taken where model, prompt, settings and pictures are the same, so the same
    command goes on where it was stopped. Several processes are started with torchrun, as in
    [dim]torchrun --nproc-per-node 8 -m vistune eval ...[/dim]

    [bold]Example:[/bold]  vistune eval runs/demo/instructblip --suite world --limit 100 --out runs/eval/demo
    """
    from vistune.evaluate.naming import short_name
    from vistune.evaluate.runner.request import Request, chosen_benchmarks

    if allow_empty and predictions is None:
        raise typer.BadParameter("it goes with --predictions; give both.", param_hint="--allow-empty")
    request = Request(
        model=model,
        benchmarks=chosen_benchmarks(suite, benchmark or []),
        out=out or Path("runs", "eval", short_name(model)),
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
    _check_effect(ctx, request, predictions)
    if predictions is None:
        ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
    loading = {"device": device, "dtype": dtype, "revision": revision, "trust_remote_code": trust_remote_code}
    content = _measured(request, loading, predictions, allow_empty, as_json)
    if as_json and content is not None:
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))


def _check_effect(ctx: typer.Context, request: Request, predictions: Path | None) -> None:
    """Whether every option that was given changes something."""
    if predictions is not None:
        loading = ["device", "dtype", "batch_size", "revision", "trust_remote_code"]
        refuse_without_effect(ctx, loading, "--predictions loads no model")
    elif Path(request.model).expanduser().is_dir():
        refuse_without_effect(ctx, ["revision"], f"{request.model!r} is a folder")
    if predictions is None and all(item.answer == "score" for item in request.benchmarks):
        why = f"{request.benchmarks[0].name} compares pictures and captions, without prompts or code of a checkpoint"
        refuse_without_effect(ctx, ["protocol", "trust_remote_code"], why)
    if not request.shuffle:
        refuse_without_effect(ctx, ["seed"], "it is that of --shuffle, which is not given")


def _measured(
    request: Request, loading: dict[str, Any], predictions: Path | None, allow_empty: bool, as_json: bool
) -> dict[str, Any] | None:
    """What stands in results.json then; None on processes other than the main one."""
    from vistune.evaluate.runner.suite import run_evaluation, run_predictions

    def say(line: str) -> None:
        typer.echo(line, err=as_json)

    if predictions is not None:
        return run_predictions(request, predictions, say, allow_empty=allow_empty)
    return run_evaluation(request, say, **loading)
