"""Options that the commands share, the judge that they name, and every question put to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vistune.cli.effect import refuse_without_effect

if TYPE_CHECKING:
    from vistune.evaluate.judge.judges import Judge
    from vistune.evaluate.judge.run import Task

Out = Annotated[
    Path | None,
    typer.Option("--out", help="File of the replies; a stopped run goes on in it.", show_default="beside ANSWERS"),
]
Model = Annotated[str | None, typer.Option("--model", help="The judge's name at the endpoint.")]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", help="OpenAI-compatible endpoint; none: OpenAI's own.", metavar="URL")
]
KeyVariable = Annotated[str, typer.Option("--key-variable", help="Environment variable with the endpoint's key.")]
Local = Annotated[
    str | None, typer.Option("--local", help="A vistune model that judges in this process instead.", metavar="MODEL")
]
Cache = Annotated[Path | None, typer.Option("--cache", help="Folder of replies; none: in the user's cache folder.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="As published.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="Of a reply.")]
Timeout = Annotated[float, typer.Option("--timeout", min=1.0, help="Seconds of one request.")]
Retries = Annotated[int, typer.Option("--retries", min=0, help="Of a request that fails for the moment.")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="Rounds of replies.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, help="Requests at once.")]
PriceIn = Annotated[float | None, typer.Option("--price-in", min=0.0, help="Cost of a million tokens asked.")]
PriceOut = Annotated[float | None, typer.Option("--price-out", min=0.0, help="Cost of a million tokens answered.")]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Show the judge empty answers as they are instead of refusing them.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


# What only an endpoint needs, and what any judge does.
_OF_ENDPOINTS = ("base_url", "key_variable", "timeout", "retries", "parallel", "price_in", "price_out")
OF_JUDGES = (*_OF_ENDPOINTS, "model", "local", "temperature", "max_tokens", "cache")


def the_judge(
    ctx: typer.Context,
    model: str | None,
    base_url: str | None,
    key_variable: str,
    local: str | None,
    temperature: float,
    max_tokens: int,
    timeout: float,
    retries: int,
) -> Judge:
    """An endpoint or a model in this process.

    Raises:
        InputError: neither or both are named, the endpoint wants a key, or an option is without effect.
    """
    from vistune.errors import InputError
    from vistune.evaluate.judge.judges import Endpoint, LocalJudge, Sampling

    if (model is None) == (local is None):
        raise InputError("Who judges? Name either --model (at an endpoint) or --local (a model in this process).")
    if local is not None:
        refuse_without_effect(ctx, _OF_ENDPOINTS, "--local judges in this process, one question at a time")
    for one, other in (("price_in", "price_out"), ("price_out", "price_in")):
        if ctx.params[one] is None:
            needs = f"--{one.replace('_', '-')}"
            refuse_without_effect(ctx, [other], f"the cost is told where {needs} is given too")
    sampling = Sampling(temperature, max_tokens)
    if local is None:
        return Endpoint(str(model), base_url, key_variable, sampling, timeout, retries)
    import vistune
    from vistune.evaluate.runner.keys import model_key

    predictor = vistune.load(local)
    return LocalJudge(predictor, local, model_key(predictor), sampling)


def ask_all(tasks: Sequence[Task], who: Judge, out: Path, cache: Path | None, parallel: int) -> None:
    """Every reply that ``out`` does not hold yet, with a bar on stderr."""
    from vistune.evaluate.judge.cache import ReplyCache, default_folder
    from vistune.evaluate.judge.run import run_judge

    stderr: Any = typer.get_text_stream("stderr")
    with typer.progressbar(length=len(tasks), label=out.stem, file=stderr) as bar:
        run_judge(
            tasks,
            who,
            out,
            ReplyCache(cache or default_folder()),
            parallel,
            lambda count, _: bar.update(count - bar.pos),
        )


def rounds(row: Mapping[str, Any]) -> str:
    """The mean and deviation over rounds, for the end of a line; "" of a single one."""
    found = row.get("rounds")
    return f", {found['n']} rounds {found['mean']:.1f} +- {found['deviation']:.1f}" if found else ""


def show_rest(summary: Mapping[str, Any], left_out: str) -> None:
    """What is left out, what it took, and where the report is."""
    if summary["unparsed"]:
        typer.echo(f"{left_out}: questions {', '.join(map(str, summary['unparsed']))}")
    if "usage" in summary:
        typer.echo(summary["usage"]["words"])
    if "report" in summary:
        typer.echo(f"report: {summary['report']}")
