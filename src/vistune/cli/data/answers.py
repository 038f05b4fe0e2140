"""`vistune data answers`: the list of answers that a video set's questions are ranked over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vistune.cli.data.options import NeededDataRoot
from vistune.data.counting import count_of


def answers(
    name: Annotated[str, typer.Argument(help="msvd_qa or msrvtt_qa.", show_default=False)],
    data_root: NeededDataRoot,
    split: Annotated[
        list[str] | None, typer.Option(help="Of which splits (several times: these).", show_default="train")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The text file to write.", show_default="answers.txt beside the questions, where it is read"),
    ] = None,
) -> None:
    """Write the answers that questions about videos are ranked over: each that occurs once, the most frequent first.

    [bold]Example:[/bold]  vistune data answers msvd_qa --data-root data
    """
    from vistune.data.answer_lists import write_answer_list
    from vistune.data.catalogue import source
    from vistune.data.sources.videos import ANSWER_FILES, VideoQuestions
    from vistune.errors import InputError

    chosen = source(name)
    if not isinstance(chosen, VideoQuestions):
        raise InputError(f"{name} ranks no list of answers that occur in training; expected msvd_qa or msrvtt_qa.")
    files = chosen.files(data_root)
    splits = tuple(split or ("train",))
    found = chosen.answer_list(files, splits)
    target = out or files.folder / ANSWER_FILES[0]
    write_answer_list(found, target)
    typer.echo(f"{count_of(len(found), 'answer')} of {', '.join(splits)} written to {target}")
    if chosen.num_ranked is not None and len(found) != chosen.num_ranked:
        typer.echo(
            f"note: {chosen.num_ranked:,} are ranked in published results; to rank those, put LAVIS's "
            f"{ANSWER_FILES[1]} into {files.folder} and take {ANSWER_FILES[0]} away, or name more splits with --split",
            err=True,
        )
