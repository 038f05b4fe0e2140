"""Options that several commands of `vistune data` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataRoot = Annotated[
    Path | None,
    typer.Option(envvar="VISTUNE_DATA_ROOT", help="The folder that holds the known sets.", show_default=False),
]
NeededDataRoot = Annotated[
    Path, typer.Option(envvar="VISTUNE_DATA_ROOT", help="The folder that holds the known sets.", show_default=False)
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND=NAME",
        help="The name of a column of your own rows where it differs, as in image=file_name; may be repeated.",
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option(help="The folder that pictures of your own rows are relative to.", show_default="that of the rows"),
]
