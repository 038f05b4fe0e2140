"""`vistune convert`: read any checkpoint vistune knows, write a transformers folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A checkpoint folder, or a name on the hub.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="The folder to write; replaced as a whole.")],
) -> None:
    """Rewrite a checkpoint as a folder in today's transformers layout.

    A write that is interrupted leaves what stood in DST whole.

    [bold]Example:[/bold]  vistune convert Salesforce/instructblip-vicuna-7b models/instructblip
    """
    from vistune import checkpoint

    checkpoint.convert(source, target)
    typer.echo(f"written to {target}")
