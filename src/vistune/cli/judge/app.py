"""The group of commands `vistune judge`; each command is a function of a file beside this one."""

from __future__ import annotations

import typer

from vistune.cli.judge.ensemble import answer, ensemble
from vistune.cli.judge.grades import mm_vet
from vistune.cli.judge.reviews import run, summarize

judge_app = typer.Typer(
    help="Answers rated by a language model (LLaVA-Bench, MM-Vet), and the ratings summed up.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@judge_app.callback()
def judge() -> None:
    """Answers rated by a language model (LLaVA-Bench, MM-Vet), and the ratings summed up."""


judge_app.command("run")(run)
judge_app.command("mm-vet")(mm_vet)
judge_app.command("summarize")(summarize)
judge_app.command("ensemble")(ensemble)
judge_app.command("answer")(answer)
