"""`vistune world`: the procedural picture world and its packaged starting points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

world_app = typer.Typer(help="The picture world that needs no download.", no_args_is_help=True, rich_markup_mode="rich")


@world_app.callback()
def world() -> None:
    """The picture world that needs no download."""


@world_app.command()
def pretrain(
    ctx: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; the packaged folder when not given.")
    ] = None,
) -> None:
    """Make the packaged image encoders and the small language model again (under 40 minutes on two cores).

    [bold]Example:[/bold]  vistune world pretrain --out starting-points
    """
    from vistune.world import pretrain as pretraining

    pretraining.run(out=out)
