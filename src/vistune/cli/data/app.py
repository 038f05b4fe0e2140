"""The group of commands `vistune data`; each command is a file beside this one."""

from __future__ import annotations

import typer

from vistune.cli.data.answers import answers
from vistune.cli.data.build import build
from vistune.cli.data.check import check
from vistune.cli.data.list_sets import list_sets
from vistune.cli.data.overlap import overlap
from vistune.cli.data.preview import preview

data_app = typer.Typer(
    help="Data sets as instructions: what there is, whether it is whole, what it looks like.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@data_app.callback()
def data() -> None:
    """Data sets as instructions: what there is, whether it is whole, what it looks like."""


data_app.command("list")(list_sets)
data_app.command("check")(check)
data_app.command("preview")(preview)
data_app.command("build")(build)
data_app.command("answers")(answers)
data_app.command("overlap")(overlap)
