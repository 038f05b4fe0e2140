"""`vistune judge`: answers reviewed by a language model, and the reviews summed up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vistune.cli.failures import RESUME_HINT

if TYPE_CHECKING:
    from vistune.evaluate.judge.judges import Judge

judge_app = typer.Typer(
    help="Answers reviewed by a language model (LLaVA-Bench), and the reviews summed up.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Model = Annotated[str | None, typer.Option("--model", help="The judge's name at the endpoint.")]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", help="OpenAI-compatible endpoint; none: OpenAI's own.", metavar="URL")
]
KeyVariable = Annotated[str, typer.Option("--key-variable", help="Environment variable with the endpoint's key.")]
Local = Annotated[
    str | None, typer.Option("--local", help="A vistune model that judges in this process instead.", metavar="MODEL")
]
Cache = Annotated[Path | None, typer.Option("--cache", help="Folder of replies; none: in the user's cache folder.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="Published: 0.2.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="Of a reply.")]
Timeout = Annotated[float, typer.Option("--timeout", min=1.0, help="Seconds of one request.")]
Retries = Annotated[int, typer.Option("--retries", min=0, help="Of a request that fails for the moment.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, help="Requests at once.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@judge_app.callback()
def judge() -> None:
    """Answers reviewed by a language model (LLaVA-Bench), and the reviews summed up."""


@judge_app.command("run")
def run(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Questions, contexts and reference answers, named as LLaVA-Bench's.")],
    answers: Annotated[Path, typer.Argument(help="JSON lines with question_id and text, one for every question.")],
    out: Annotated[Path, typer.Option("--out", help="File of the reviews; a stopped run goes on in it.")],
    model: Model = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = "OPENAI_API_KEY",
    local: Local = None,
    questions: Annotated[Path | None, typer.Option("--questions", help="Another file of questions.")] = None,
    contexts: Annotated[Path | None, typer.Option("--contexts", help="Another file of contexts.")] = None,
    references: Annotated[Path | None, typer.Option("--references", help="Another file of reference answers.")] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="A rule file in the released form.")] = None,
    both_orders: Annotated[
        bool, typer.Option("--both-orders", help="Each pair twice, the answers in both orders; the papers use one.")
    ] = False,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Rounds of reviews.")] = 1,
    parallel: Parallel = 4,
    temperature: Temperature = 0.2,
    max_tokens: MaxTokens = 1024,
    timeout: Timeout = 120.0,
    retries: Retries = 5,
    cache: Cache = None,
    price_in: Annotated[float | None, typer.Option("--price-in", help="Cost of a million tokens asked.")] = None,
    price_out: Annotated[float | None, typer.Option("--price-out", help="Cost of a million tokens answered.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a model rate answers beside the reference answers, and sum the reviews up.

    [bold]Examples:[/bold]
      vistune judge run llava-bench answers.jsonl --out reviews.jsonl --model gpt-4-0613
      vistune judge run llava-bench answers.jsonl --out reviews.jsonl --model judge --base-url http://localhost:8000/v1
    """
    from vistune.evaluate.judge.cache import ReplyCache, default_folder
    from vistune.evaluate.judge.folder import by_question, read_questions
    from vistune.evaluate.judge.rules import Rules
    from vistune.evaluate.judge.run import plan_tasks, run_judge
    from vistune.evaluate.judge.usage import count_usage

    asked = read_questions(folder, questions, contexts, references)
    given = by_question(answers)
    who = _judge(model, base_url, key_variable, local, temperature, max_tokens, timeout, retries)
    tasks = plan_tasks(asked, given, Rules(rules), who.settings(), repeats, both_orders)
    ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
    with typer.progressbar(length=len(tasks), label="reviews", file=_stderr()) as bar:
        run_judge(
            tasks,
            who,
            out,
            ReplyCache(cache or default_folder()),
            parallel,
            lambda count, _: bar.update(count - bar.pos),
        )
    summary = _summary(out, published=False)
    summary["usage"] = count_usage(out, price_in, price_out)
    _show(summary, as_json)


@judge_app.command("summarize")
def summarize(
    reviews: Annotated[Path, typer.Argument(help="JSON lines with question_id and the review in content or text.")],
    published: Annotated[
        bool, typer.Option("--published", help="As the released summary: stored scores, -1 for what cannot be read.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sum reviews up: means of both answers' scores, and their ratio, which LLaVA reports.

    [bold]Example:[/bold]
      vistune judge summarize reviews.jsonl --json
    """
    _show(_summary(reviews, published), as_json)


@judge_app.command("ensemble")
def ensemble(
    first: Annotated[Path, typer.Argument(help="Our answers: JSON lines with id and answer.")],
    second: Annotated[Path, typer.Argument(help="The second model's answers, in the same form.")],
    references: Annotated[Path, typer.Argument(help="JSON lines with id, n_choices and, for a judge, question.")],
    out: Annotated[Path, typer.Option("--out", help="File of the answers that count, for `vistune score scienceqa`.")],
    requery: Annotated[
        Path | None, typer.Option("--requery", help="The judge's answers had before: JSON lines with id and answer.")
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = "OPENAI_API_KEY",
    local: Local = None,
    temperature: Temperature = 0.2,
    max_tokens: MaxTokens = 1024,
    timeout: Timeout = 120.0,
    retries: Retries = 5,
    cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """ScienceQA with a second model: its answers complement ours, or a judge decides where the two differ.

    Without a judge the second model's answer counts wherever it names an option (LLaVA's "complement").

    [bold]Examples:[/bold]
      vistune judge ensemble ours.jsonl gpt4.jsonl references.jsonl --out both.jsonl
      vistune judge ensemble ours.jsonl gpt4.jsonl references.jsonl --out both.jsonl --requery requery.jsonl
    """
    from vistune.evaluate.judge.ensemble import by_judge, complement, join
    from vistune.evaluate.judge.ensemble_files import ask_judge, read_answers, read_references, write_decisions

    items = join(read_answers(first), read_answers(second), read_references(references))
    if requery is not None:
        had = read_answers(requery)
        decisions = by_judge(items, lambda item: had.get(item.id))
    elif model is not None or local is not None:
        who = _judge(model, base_url, key_variable, local, temperature, max_tokens, timeout, retries)
        decisions = by_judge(items, ask_judge(who, cache))
    else:
        decisions = complement(items)
    write_decisions(out, decisions)
    counts = {source: sum(d.source == source for d in decisions) for source in ("first", "second", "judge")}
    counts["n"] = len(decisions)
    typer.echo(json.dumps(counts) if as_json else ", ".join(f"{name} {count}" for name, count in counts.items()))


def _judge(
    model: str | None,
    base_url: str | None,
    key_variable: str,
    local: str | None,
    temperature: float,
    max_tokens: int,
    timeout: float,
    retries: int,
) -> Judge:
    from vistune.errors import InputError
    from vistune.evaluate.judge.judges import Endpoint, LocalJudge, Sampling

    if (model is None) == (local is None):
        raise InputError("Who judges? Name either --model (at an endpoint) or --local (a model in this process).")
    sampling = Sampling(temperature, max_tokens)
    if model is not None:
        return Endpoint(model, base_url, key_variable, sampling, timeout, retries)
    import vistune

    assert local is not None
    return LocalJudge(vistune.load(local), local, sampling)


def _summary(path: Path, published: bool) -> dict[str, Any]:
    from vistune.evaluate.judge.reviews import read_reviews
    from vistune.evaluate.judge.summary import summarize as sum_up

    return sum_up(read_reviews(path), published)


def _show(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    for name, row in {**summary["categories"], "all": summary}.items():
        low, high = row["interval"]
        rounds = row.get("rounds")
        spread = f", {rounds['n']} rounds {rounds['mean']:.1f} +- {rounds['deviation']:.1f}" if rounds else ""
        typer.echo(
            f"{name:>8}: relative score {row['relative_score']:.1f} ({low:.1f} to {high:.1f}), "
            f"means {row['mean_1']:.2f} and {row['mean_2']:.2f}, n {row['n']}{spread}"
        )
    if summary["unparsed"]:
        names = ", ".join(str(name) for name in summary["unparsed"])
        typer.echo(f"left out, without a line of two scores: questions {names}")
    if "usage" in summary:
        typer.echo(summary["usage"]["words"])


def _stderr() -> Any:
    return typer.get_text_stream("stderr")
