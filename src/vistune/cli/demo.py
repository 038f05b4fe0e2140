"""`vistune demo`: the whole chain, from pictures to tuned models and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vistune.cli.failures import RESUME_HINT


def demo(
    ctx: typer.Context,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            envvar="VISTUNE_DEMO_MINUTES",
            min=0.01,
            help="Time budget on two cores; scales the steps. 6, or 8 with --data, if not given.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="A folder of pictures with jsonl rows instead of the picture world."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where models, report and results go.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")] = 0,
    image_column: Annotated[str, typer.Option("--image-column", help="With --data: the picture's file.")] = "image",
    question_column: Annotated[str, typer.Option("--question-column", help="With --data.")] = "question",
    answer_column: Annotated[str, typer.Option("--answer-column", help="With --data.")] = "answer",
) -> None:
    """Tune InstructBLIP and LLaVA on pictures, compare them with two baselines, and write a report.

    Runs on a picture world that comes with vistune, or with --data on your own pictures. After Ctrl-C the same command
    goes on where it stopped.

    [bold]Example:[/bold]  vistune demo --minutes 6 --out runs/demo
    """
    ctx.meta[RESUME_HINT] = "run the same command again to go on from here"
    from vistune.demo import run_demo

    columns = {"image": image_column, "question": question_column, "answer": answer_column}
    run_demo(minutes=minutes, out=out, seed=seed, data=data, columns=columns)
