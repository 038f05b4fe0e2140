"""What a person names on the command line: a known set, or rows of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vistune.data.files import Files
    from vistune.data.sources.base import Source


def find_source(
    name: str, data_root: Path | None, columns: Mapping[str, str], images: Path | None
) -> tuple[Source, Files]:
    """A known set by its name, or rows of one's own, and where their files are.

    Raises:
        InputError: a known set without a data root or with columns of its own, a name that is neither.
        DataError: files that are not there or of no known kind.
    """
    from vistune.data.catalogue import source
    from vistune.data.own import own_source
    from vistune.errors import InputError

    if is_own(name):
        return own_source(name, columns=columns, images=images)
    chosen = source(name)
    if columns or images:
        raise InputError(f"{name} is a known set with columns of its own; --column and --images are for your own rows.")
    if data_root is None:
        raise InputError(f"Where is {name}? Give the folder of the data sets with --data-root.")
    return chosen, chosen.files(data_root)


def is_own(name: str) -> bool:
    """Whether a name stands for rows of one's own: a file, a folder, a set on the hub."""
    from vistune.data.catalogue import SOURCES
    from vistune.data.own import HUB

    return name not in SOURCES and (name.startswith(HUB) or Path(name).exists() or bool(Path(name).suffix))


def columns_of(given: Sequence[str]) -> dict[str, str]:
    """``--column KIND=NAME`` as a mapping.

    Raises:
        InputError: one of another form.
    """
    from vistune.errors import InputError

    columns = {}
    for pair in given:
        kind, equals, column = pair.partition("=")
        if not (kind and equals and column):
            raise InputError(f"--column is {pair!r}; expected KIND=NAME, such as image=file_name.")
        columns[kind] = column
    return columns
