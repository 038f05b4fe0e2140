"""A table on disk of what was once found out about files, such as the hash of their content."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vistune.data.features.tables import DigestTable
from vistune.data.storage import storage_error, written_whole

_DIGEST = 16


class NameTable:
    """16-byte digests of names and values of one size that they stand for, in files that are only ever added.

    Every process writes files of its own, whole, ended by a checksum; a damaged one is not read, and costs hashing its
    pictures again.

    Args:
        folder: where the files are. value_bytes: size of a value. kind: beginning of the files' names.
    """

    def __init__(self, folder: Path, value_bytes: int = _DIGEST, kind: str = "names") -> None:
        self._folder, self._kind = folder, kind
        size = _DIGEST + value_bytes
        parts = [part for path in sorted(folder.glob(f"{kind}-*.bin")) if (part := _read(path, size)) is not None]
        records = np.concatenate(parts) if parts else np.empty((0, size), np.uint8)
        self._table = DigestTable(records[:, :_DIGEST])
        self._values = records[:, _DIGEST:]
        self._recent: dict[bytes, bytes] = {}
        self._unsaved: list[bytes] = []

    def __len__(self) -> int:
        return len(self._table) + len(self._recent)

    def find(self, name: bytes) -> bytes | None:
        """The value of a name, None if it is not known."""
        value = self._recent.get(name)
        if value is not None:
            return value
        row = self._table.find(name)
        return None if row < 0 else self._values[row].tobytes()

    def add(self, names: list[bytes], values: list[bytes]) -> None:
        """Remember values; :meth:`save` keeps them."""
        for name, value in zip(names, values, strict=True):
            self._recent[name] = value
            self._unsaved.append(name + value)

    def save(self) -> None:
        """Write what was added since the last time.

        Raises:
            StorageError: the disk is full or does not allow it.
        """
        if not self._unsaved:
            return
        records = b"".join(self._unsaved)
        path = self._folder / f"{self._kind}-{uuid.uuid4().hex}.bin"
        with written_whole(path) as part:
            try:
                part.write_bytes(records + _checksum(records))
            except OSError as error:
                raise storage_error(path, error) from error
        self._unsaved = []


def _read(path: Path, size: int) -> NDArray[np.uint8] | None:
    content = path.read_bytes()
    records, checksum = content[:-_DIGEST], content[-_DIGEST:]
    if len(records) % size or checksum != _checksum(records):
        return None
    return np.frombuffer(records, np.uint8).reshape(-1, size)


def _checksum(records: bytes) -> bytes:
    return hashlib.blake2b(records, digest_size=_DIGEST).digest()
