"""`vistune judge ensemble`: ScienceQA with a second model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vistune.cli.effect import refuse_without_effect
from vistune.cli.failures import RESUME_HINT
from vistune.cli.judge import options
from vistune.data.counting import count_of


def ensemble(
    ctx: typer.Context,
    first: Annotated[Path, typer.Argument(help="Our answers: JSON lines with id and answer.")],
    second: Annotated[Path, typer.Argument(help="The second model's answers, in the same form.")],
    references: Annotated[Path, typer.Argument(help="JSON lines with id, n_choices and, for a judge, question.")],
    out: Annotated[Path, typer.Option("--out", help="File of the answers that count, for `vistune score scienceqa`.")],
    requery: Annotated[
        Path | None, typer.Option("--requery", help="The judge's answers had before: JSON lines with id and answer.")
    ] = None,
    model: options.Model = None,
    base_url: options.BaseUrl = None,
    key_variable: options.KeyVariable = "OPENAI_API_KEY",
    local: options.Local = None,
    temperature: options.Temperature = 0.2,
    max_tokens: options.MaxTokens = 1024,
    timeout: options.Timeout = 120.0,
    retries: options.Retries = 5,
    parallel: options.Parallel = 4,
    cache: options.Cache = None,
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    as_json: options.AsJson = False,
) -> None:
    """ScienceQA with a second model: its answers complement ours, or a judge decides where the two differ.

    A judge's replies are kept beside --out, in a file that --requery takes. Without a judge the second model's answer
    counts wherever it names an option (LLaVA's "complement").

    [bold]Examples:[/bold]
      vistune judge ensemble ours.jsonl gpt4.jsonl references.jsonl --out both.jsonl
      vistune judge ensemble ours.jsonl gpt4.jsonl references.jsonl --out both.jsonl --requery requery.jsonl
    """
    from vistune.evaluate.judge.ensemble import by_judge, complement, join
    from vistune.evaluate.judge.ensemble_files import plan_decisions, read_answers, read_references, write_decisions
    from vistune.evaluate.judge.usage import count_usage

    if requery is not None:
        refuse_without_effect(ctx, options.OF_JUDGES, "--requery holds what the judge answered")
    elif model is None and local is None:
        refuse_without_effect(ctx, options.OF_JUDGES, "no judge is named (--model or --local)")
    items = join(read_answers(first), read_answers(second), read_references(references))
    usage, unread = None, list[str]()
    if model is not None or local is not None:
        who = options.the_judge(ctx, model, base_url, key_variable, local, temperature, max_tokens, timeout, retries)
        tasks = plan_decisions(items, who.settings())
        requery = out.with_name(f"{out.stem}.judge.jsonl") if tasks else None
        if requery is not None:
            ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
            options.ask_all(tasks, who, requery, cache, parallel)
            usage = count_usage(requery, price_in, price_out)
        decisions, unread = by_judge(items, (read_answers(requery) if requery else {}).get)
    elif requery is not None:
        decisions, unread = by_judge(items, read_answers(requery).get)
    else:
        decisions = complement(items)
    write_decisions(out, decisions)
    counts = {source: sum(d.source == source for d in decisions) for source in ("first", "second", "judge")}
    counts["n"] = len(decisions)
    if as_json:
        typer.echo(json.dumps({**counts, "unparsed": unread, **({"usage": usage} if usage else {})}))
        return
    typer.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    if unread:
        typer.echo(f"the judge named no option, so that ours stands: questions {', '.join(unread)}")
    if usage:
        typer.echo(usage["words"])


def answer(
    ctx: typer.Context,
    questions: Annotated[Path, typer.Argument(help="JSON lines with id, question and n_choices.")],
    out: Annotated[Path, typer.Option("--out", help="File of the answers; a stopped run goes on in it.")],
    shots: Annotated[
        Path | None, typer.Option("--shots", help="Solved examples: JSON lines with id, question and answer.")
    ] = None,
    model: options.Model = None,
    base_url: options.BaseUrl = None,
    key_variable: options.KeyVariable = "OPENAI_API_KEY",
    local: options.Local = None,
    temperature: options.Temperature = 0.2,
    max_tokens: options.MaxTokens = 1024,
    timeout: options.Timeout = 120.0,
    retries: options.Retries = 5,
    parallel: options.Parallel = 4,
    cache: options.Cache = None,
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    as_json: options.AsJson = False,
) -> None:
    """ScienceQA's second model: questions answered by a model that does not see the pictures.

    The papers give GPT-4 two solved examples (--shots). The file of answers goes into `vistune judge ensemble`.

    [bold]Example:[/bold]
      vistune judge answer references.jsonl --out gpt4.jsonl --model gpt-4 --shots two.jsonl
    """
    from vistune.evaluate.judge.ensemble_files import plan_answers, read_answers, read_references, read_shots
    from vistune.evaluate.judge.usage import count_usage
    from vistune.evaluate.metrics import extract_choice

    asked = read_references(questions)
    given = {} if shots is None else read_shots(shots)
    who = options.the_judge(ctx, model, base_url, key_variable, local, temperature, max_tokens, timeout, retries)
    ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
    options.ask_all(plan_answers(asked, given, who.settings()), who, out, cache, parallel)
    answers = read_answers(out)
    unread = [name for name, row in asked.items() if extract_choice(answers[name], int(row["n_choices"])) is None]
    usage = count_usage(out, price_in, price_out)
    if as_json:
        typer.echo(json.dumps({"n": len(answers), "unparsed": unread, "usage": usage}))
        return
    typer.echo(f"{count_of(len(answers), 'answer')}; one option is named by {len(answers) - len(unread)}")
    typer.echo(usage["words"])
