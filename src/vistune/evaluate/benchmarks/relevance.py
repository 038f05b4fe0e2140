"""How good every candidate of a dialogue is, where people have said so: what NDCG is counted by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from vistune.data.example import Example
from vistune.data.sources.visdial import VisualDialog

if TYPE_CHECKING:
    from vistune.data.files import Files
    from vistune.data.sources.base import Source


@dataclass(frozen=True)
class JudgedExample(Example):
    """A row whose candidates people have judged.

    Args:
        relevance: how many of them found each candidate right, 0..1, in the order of ``candidates``.
    """

    relevance: tuple[float, ...] = ()


def with_relevance(rows: Iterable[Example], data: Source, files: Files) -> Iterator[Example]:
    """Visual Dialog's rows, those of its dense annotations with them; other sets have none.

    Raises:
        DataError: the annotations are not of the release's form.
    """
    known = data.relevance(files) if isinstance(data, VisualDialog) else {}
    for row in rows:
        if row.id in known:
            said = {field.name: getattr(row, field.name) for field in fields(row)}
            row = JudgedExample(**said, relevance=known[row.id])
        yield row
