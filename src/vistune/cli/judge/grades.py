"""`vistune judge mm-vet`: MM-Vet's answers, each graded from 0 to 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from vistune.cli.failures import RESUME_HINT
from vistune.cli.judge import options


def mm_vet(
    ctx: typer.Context,
    data: Annotated[Path, typer.Argument(help="MM-Vet's mm-vet.json, or its folder.")],
    answers: Annotated[
        Path,
        typer.Argument(
            help="JSON lines with question_id and text, such as the judge_answers.jsonl of `vistune eval`, or MM-Vet's "
            "own JSON file of answers by question."
        ),
    ],
    out: options.Out = None,
    model: options.Model = None,
    base_url: options.BaseUrl = None,
    key_variable: options.KeyVariable = "OPENAI_API_KEY",
    local: options.Local = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="A text file to put in front of each row, as the official prompt is.")
    ] = None,
    repeats: options.Repeats = 1,
    allow_empty: options.AllowEmpty = False,
    parallel: options.Parallel = 4,
    temperature: options.Temperature = 0.0,
    max_tokens: options.MaxTokens = 16,
    timeout: options.Timeout = 120.0,
    retries: options.Retries = 5,
    cache: options.Cache = None,
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    as_json: options.AsJson = False,
) -> None:
    """Let a model grade answers to MM-Vet from 0.0 to 1.0, and tell the total and every capability's figure.

    The paper takes the mean of five rounds (--repeats 5). Figures of answers that `vistune eval` wrote are put into its
    results and its report.

    [bold]Example:[/bold]
      vistune judge mm-vet data/mm-vet runs/eval/llava/mm_vet/judge_answers.jsonl --model gpt-4-0613 --repeats 5
    """
    from vistune.evaluate.judge.folder import answer_text
    from vistune.evaluate.judge.grades import read_grades, summarize_grades
    from vistune.evaluate.judge.kept import judgement_of_grades
    from vistune.evaluate.judge.mm_vet import plan_grades, read_mm_vet, read_prompt, read_vet_answers
    from vistune.evaluate.judge.usage import count_usage
    from vistune.evaluate.runner.judged import put_into_run, run_of

    asked = read_mm_vet(data)
    given = read_vet_answers(answers, allow_empty)
    measured = run_of(answers)
    prompt = read_prompt(rules)
    who = options.the_judge(ctx, model, base_url, key_variable, local, temperature, max_tokens, timeout, retries)
    tasks = plan_grades(asked, given, prompt, who.settings(), repeats, measured is not None and measured.limited)
    place = out or answers.with_name("grades.jsonl")
    ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
    options.ask_all(tasks, who, place, cache, parallel)
    grades = read_grades(place)
    summary = summarize_grades(grades)
    summary["usage"] = count_usage(place, price_in, price_out)
    if measured is not None:
        texts = {name: answer_text(row) or "" for name, row in given.items()}
        summary["report"] = str(put_into_run(measured, judgement_of_grades(grades, texts)))
    show_grades(summary, as_json)


def show_grades(summary: dict[str, Any], as_json: bool) -> None:
    """The figures of `summarize_grades` for a terminal or a program."""
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    from vistune.evaluate.report.judged import named_combinations

    total = {"value": summary["total"], "interval": summary["interval"], "n": summary["n"]}
    rows = {**summary["capabilities"], **named_combinations(summary["combinations"]), "total": total}
    width = max(map(len, rows))
    for name, row in rows.items():
        low, high = row["interval"]
        told = options.rounds(summary) if name == "total" else ""
        typer.echo(f"{name:>{width}}: {row['value']:5.1f} ({low:.1f} to {high:.1f}), n {row['n']}{told}")
    options.show_rest(summary, "replies left out that are no grade from 0 to 1")
