"""The group of commands `vistune data`; each command is a file beside this one."""

from __future__ import annotations

import typer

data_app = typer.Typer(
    help="Data sets as instructions: what there is, whether it is whole, what it looks like.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@data_app.callback()
def data() -> None:
    """Data sets as instructions: what there is, whether it is whole, what it looks like."""
