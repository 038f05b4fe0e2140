"""Rows of one Arrow record batch as Examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.archives import ArchiveMember
from vistune.data.arrow_schema import IMAGES, LISTS, PAIRS, TEXTS
from vistune.data.example import Example
from vistune.data.video import VideoFrames

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

_PLACE = ("member", "offset", "size", "packed_size", "method", "crc")
_NULLABLE = frozenset({"target", "candidates"})


class Rows:
    """The rows of a record batch that is memory-mapped.

    Args:
        batch: a pyarrow RecordBatch. shard: its file, mapped to memory from ``address`` on. root: of relative paths.
    """

    def __init__(self, batch: Any, shard: Path, address: int, root: Path) -> None:
        import numpy as np

        self._count = batch.num_rows
        self._shard = shard
        self._address = address
        self._root = root
        # Most sets use few of the fields: columns without a value cost nothing.
        self._columns = [
            (name, batch.column(name), change)
            for names, change in ((TEXTS, _same), (LISTS, _texts), (PAIRS, _pairs))
            for name in names
            if _has_values(batch.column(name), name)
        ]
        images = batch.column(IMAGES)
        self._offsets = images.offsets
        parts = images.values
        self._parts = {field.name: parts.field(field.name) for field in parts.type} if len(parts) else {}
        self._data_offsets = np.frombuffer(parts.field("data").buffers()[1] or b"", np.int32)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Example]:
        return (self.example(row) for row in range(self._count))

    def example(self, row: int) -> Example:
        """One row, counted from the beginning of the batch."""
        fields: dict[str, Any] = {name: change(column[row].as_py()) for name, column, change in self._columns}
        if self._parts:
            first, last = self._offsets[row].as_py(), self._offsets[row + 1].as_py()
            fields[IMAGES] = tuple(self._image(at) for at in range(first, last))
        return Example(**{"id": "", "task": "", **fields})

    def _image(self, at: int) -> ImageRef:
        path = self._parts["path"][at].as_py()
        num_frames = self._parts["num_frames"][at].as_py()
        file: Path | ArchiveMember
        if self._parts["data"][at].is_valid:
            # The bytes stand unpacked in the shard, which thereby is an archive that hands out references.
            first, last = (int(offset) for offset in self._data_offsets[at : at + 2])
            start = self._parts["data"].buffers()[2].address - self._address
            file = ArchiveMember(self._shard, path, start + first, last - first, last - first)
        elif self._parts["member"][at].is_valid:
            file = ArchiveMember(self._root / path, **{name: self._parts[name][at].as_py() for name in _PLACE})
        else:
            file = self._root / path
        return file if num_frames is None else VideoFrames(file, num_frames)


def _has_values(column: Any, name: str) -> bool:
    if name in _NULLABLE:
        return bool(column.null_count < len(column))
    if name in TEXTS:
        content = column.buffers()[2]
        return content is not None and content.size > 0
    return len(column.values) > 0


def _same(value: Any) -> Any:
    return value


def _texts(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _pairs(value: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((pair["user"], pair["assistant"]) for pair in value)
