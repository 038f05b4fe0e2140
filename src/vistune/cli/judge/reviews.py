"""`vistune judge run` and `summarize`: LLaVA-Bench, answers rated beside reference answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from vistune.cli.failures import RESUME_HINT
from vistune.cli.judge import options
from vistune.cli.judge.grades import show_grades


def run(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Questions, contexts and reference answers, named as LLaVA-Bench's.")],
    answers: Annotated[
        Path,
        typer.Argument(help="JSON lines with question_id and text, such as the judge_answers.jsonl of `vistune eval`."),
    ],
    out: options.Out = None,
    model: options.Model = None,
    base_url: options.BaseUrl = None,
    key_variable: options.KeyVariable = "OPENAI_API_KEY",
    local: options.Local = None,
    questions: Annotated[Path | None, typer.Option("--questions", help="Another file of questions.")] = None,
    contexts: Annotated[Path | None, typer.Option("--contexts", help="Another file of contexts.")] = None,
    references: Annotated[Path | None, typer.Option("--references", help="Another file of reference answers.")] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="A rule file in the released form.")] = None,
    both_orders: Annotated[
        bool, typer.Option("--both-orders", help="Each pair twice, the answers in both orders; the papers use one.")
    ] = False,
    repeats: options.Repeats = 1,
    allow_empty: options.AllowEmpty = False,
    parallel: options.Parallel = 4,
    temperature: options.Temperature = 0.2,
    max_tokens: options.MaxTokens = 1024,
    timeout: options.Timeout = 120.0,
    retries: options.Retries = 5,
    cache: options.Cache = None,
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    as_json: options.AsJson = False,
) -> None:
    """Let a model rate answers beside the reference answers, and sum the reviews up.

    Figures of answers that `vistune eval` wrote are put into its results and its report.

    [bold]Examples:[/bold]
      vistune judge run llava-bench answers.jsonl --out reviews.jsonl --model gpt-4-0613
      vistune judge run data/llava_bench runs/eval/llava/llava_bench_coco/judge_answers.jsonl --model gpt-4-0613
    """
    from vistune.evaluate.judge.folder import answer_text, by_question, read_questions
    from vistune.evaluate.judge.kept import judgement_of_reviews
    from vistune.evaluate.judge.review_tasks import plan_reviews
    from vistune.evaluate.judge.reviews import read_reviews
    from vistune.evaluate.judge.rules import Rules
    from vistune.evaluate.judge.summary import summarize as sum_up
    from vistune.evaluate.judge.usage import count_usage
    from vistune.evaluate.runner.judged import put_into_run, run_of

    asked = read_questions(folder, questions, contexts, references)
    given = by_question(answers, allow_empty)
    measured = run_of(answers)
    who = options.the_judge(ctx, model, base_url, key_variable, local, temperature, max_tokens, timeout, retries)
    tasks = plan_reviews(
        asked, given, Rules(rules), who.settings(), repeats, both_orders, measured is not None and measured.limited
    )
    place = out or answers.with_name("reviews.jsonl")
    ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
    options.ask_all(tasks, who, place, cache, parallel)
    reviews = read_reviews(place)
    summary = sum_up(reviews)
    summary["usage"] = count_usage(place, price_in, price_out)
    if measured is not None:
        texts = {name: answer_text(row) or "" for name, row in given.items()}
        summary["report"] = str(put_into_run(measured, judgement_of_reviews(reviews, texts)))
    _show(summary, as_json)


def summarize(
    reviews: Annotated[
        Path,
        typer.Argument(help="JSON lines with question_id and the review in content or text, or grades of MM-Vet."),
    ],
    published: Annotated[
        bool, typer.Option("--published", help="As the released summary: stored scores, -1 for what cannot be read.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Sum reviews up: means of both answers' scores, and their ratio, which LLaVA reports.

    [bold]Example:[/bold]
      vistune judge summarize reviews.jsonl --json
    """
    from vistune.errors import InputError
    from vistune.evaluate.judge.grades import holds_grades, read_grades, summarize_grades
    from vistune.evaluate.judge.reviews import read_reviews
    from vistune.evaluate.judge.summary import summarize as sum_up

    if not holds_grades(reviews):
        _show(sum_up(read_reviews(reviews), published), as_json)
        return
    if published:
        raise InputError(f"{reviews} holds grades of MM-Vet; --published is for reviews of LLaVA-Bench, leave it out.")
    show_grades(summarize_grades(read_grades(reviews)), as_json)


def _show(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    for name, row in {**summary["categories"], "all": summary}.items():
        low, high = row["interval"]
        typer.echo(
            f"{name:>8}: relative score {row['relative_score']:.1f} ({low:.1f} to {high:.1f}), "
            f"means {row['mean_1']:.2f} and {row['mean_2']:.2f}, n {row['n']}{options.rounds(row)}"
        )
    options.show_rest(summary, "left out, without a line of two scores")
