"""The distinct pictures of many sets, each once, whatever sets they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.features.keys import picture_names
from vistune.data.overlap.sets import NamedRows
from vistune.errors import ImageError

if TYPE_CHECKING:
    from vistune.data.example import Example, ImageRef

_TELL_EVERY = 10_000


@dataclass
class PictureTable:
    """Distinct files. refs: how to open each; names: see ``picture_names``, "" where it was not looked up."""

    refs: list[ImageRef] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    _rows: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.refs)

    def row(self, ref: ImageRef, look_up: bool) -> int:
        """The row of a picture, a new one if it was not there.

        Args:
            look_up: name it as the features do, by what tells changes of the file; else by its path alone.

        Raises:
            ImageError: there is no such file.
        """
        name = picture_names(ref)[0] if look_up else str(ref)
        row = self._rows.setdefault(name, len(self.refs))
        if row == len(self.refs):
            # A str takes a third of a Path.
            self.refs.append(str(ref) if isinstance(ref, Path) else ref)
            self.names.append(name if look_up else "")
        return row


@dataclass
class SetPictures:
    """The pictures of one set.

    rows: number of its rows. pictures: distinct rows of the table. ids: names of their own (after aliases) of its
    pictures, each with a row of the table, -1 where the file is not there. unreadable: pictures without a file.
    """

    label: str
    rows: int = 0
    pictures: set[int] = field(default_factory=set)
    ids: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0


def gather(
    chosen: NamedRows,
    table: PictureTable,
    aliases: Mapping[str, str],
    *,
    look_up: bool = True,
    on_progress: Callable[[str, int], None] | None = None,
) -> SetPictures:
    """Go through a set and note its pictures.

    Args:
        aliases: names that mean the same picture as others, see ``vistune.data.overlap.aliases``.
        look_up: see :meth:`PictureTable.row`. on_progress: told (label, rows so far).

    Raises:
        DataError: the set's files are not there.
    """
    found = SetPictures(chosen.label)
    for example in chosen.read():
        found.rows += 1
        for ref, name in _named(example):
            try:
                row = table.row(ref, look_up)
                found.pictures.add(row)
            except ImageError:
                found.unreadable += 1
                row = -1
            if name:
                found.ids.setdefault(aliases.get(name, name), row)
        if on_progress is not None and found.rows % _TELL_EVERY == 0:
            on_progress(chosen.label, found.rows)
    return found


def _named(example: Example) -> Iterator[tuple[ImageRef, str]]:
    """Each picture and its name across data sets, "" if it has none."""
    for number, ref in enumerate(example.images):
        yield ref, example.source_ids[number] if number < len(example.source_ids) else ""
