"""What is where in a tar or zip file; looked up once, and kept on disk for archives with many members.

An index is two arrays, hashes of the members' names in ascending order and a row of numbers for each: 40 bytes a
member, memory-mapped when it comes from disk. 1,400 shards of 10,000 pictures are 560 MB of disk and little memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vistune.data.archives import DEFLATED, STORED, ArchiveMember, check_member_name
from vistune.data.storage import written_whole
from vistune.errors import DataError

_COLUMNS = 4
_ENCRYPTED = 1
_NO_CRC = 2**32
_KEPT_FROM = 2000


@dataclass(frozen=True)
class ArchiveIndex:
    """Finds members of one archive by name.

    Args:
        hashes: [n] uint64 ascending. numbers: [n, 4] uint64: offset, size, packed size, method and crc in one.
    """

    archive: Path
    hashes: Any
    numbers: Any

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, name: str) -> ArchiveMember | None:
        """The member of this name, None if there is none."""
        import numpy as np

        wanted = np.uint64(_hash(name))
        at = int(np.searchsorted(self.hashes, wanted))
        if at == len(self.hashes) or self.hashes[at] != wanted:
            return None
        offset, size, packed, rest = (int(value) for value in self.numbers[at])
        crc, method = rest & (2**33 - 1), rest >> 33
        return ArchiveMember(self.archive, name, offset, size, packed, method, None if crc == _NO_CRC else crc)


def index_of(archive: Path) -> ArchiveIndex:
    """The index of an archive as it is now.

    Raises:
        DataError: no such archive, not readable as tar or zip, encrypted, or with members that lead out of its folder.
    """
    try:
        status = archive.stat()
    except OSError as error:
        raise DataError(f"The archive {str(archive)!r} cannot be read ({error.strerror}).") from error
    return _index(archive, status.st_size, status.st_mtime_ns)


def members(archive: Path) -> Iterator[ArchiveMember]:
    """Every regular file of an archive, in its order."""
    try:
        yield from _zip_members(archive) if archive.suffix == ".zip" else _tar_members(archive)
    except (zipfile.BadZipFile, tarfile.TarError, OSError, UnicodeDecodeError, EOFError) as error:
        kind = archive.suffix.removeprefix(".")
        raise DataError(
            f"The archive {str(archive)!r} cannot be read as {kind} ({error}); is it whole, and not packed otherwise?"
        ) from error


def _tar_members(archive: Path) -> Iterator[ArchiveMember]:
    with tarfile.open(archive, "r:") as tar:
        for info in tar:
            # Links, devices and folders hold no bytes and are never followed.
            if info.isreg() and not info.issparse():
                name = check_member_name(archive, info.name)
                yield ArchiveMember(archive, name, info.offset_data, info.size, info.size)
            # tarfile remembers every member it has passed.
            tar.members = []  # type: ignore[attr-defined]


def _zip_members(archive: Path) -> Iterator[ArchiveMember]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            name = check_member_name(archive, info.filename)
            is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
            if info.is_dir() or is_link:
                continue
            if info.flag_bits & _ENCRYPTED or info.compress_type not in (STORED, DEFLATED):
                how = "encrypted" if info.flag_bits & _ENCRYPTED else f"packed by method {info.compress_type}"
                raise DataError(
                    f"The archive {str(archive)!r} has {name!r} {how}; expected stored or deflated files: pack it anew."
                )
            yield ArchiveMember(
                archive, name, info.header_offset, info.file_size, info.compress_size, info.compress_type, info.CRC
            )


@lru_cache(maxsize=4096)
def _index(archive: Path, size: int, changed_ns: int) -> ArchiveIndex:
    kept = _cache_folder() / f"{_hash(f'{archive.resolve()} {size} {changed_ns}'):016x}.index"
    loaded = _load(archive, kept)
    if loaded is not None:
        return loaded
    made = _make(archive)
    if len(made) >= _KEPT_FROM:
        # Only a help for next time: without a place to write there is no index, and nothing is lost.
        with contextlib.suppress(OSError), written_whole(kept) as part, part.open("wb") as file:
            file.write(made.hashes.tobytes())
            file.write(made.numbers.tobytes())
    return made


def _make(archive: Path) -> ArchiveIndex:
    from array import array

    import numpy as np

    hashes, numbers = array("Q"), array("Q")
    for member in members(archive):
        crc = _NO_CRC if member.crc is None else member.crc
        hashes.append(_hash(member.member))
        numbers.extend((member.offset, member.size, member.packed_size, member.method << 33 | crc))
    keys = np.frombuffer(hashes, np.uint64)
    # Where a name occurs twice the last one counts, as it does when unpacking.
    order = np.lexsort((-np.arange(len(keys)), keys))
    return ArchiveIndex(archive, keys[order], np.frombuffer(numbers, np.uint64).reshape(-1, _COLUMNS)[order])


def _load(archive: Path, kept: Path) -> ArchiveIndex | None:
    import numpy as np

    row_bytes = 8 * (1 + _COLUMNS)
    if not kept.is_file() or kept.stat().st_size % row_bytes:
        return None
    count = kept.stat().st_size // row_bytes
    flat = np.memmap(kept, np.uint64, mode="r")
    return ArchiveIndex(archive, flat[:count], flat[count:].reshape(count, _COLUMNS))


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vistune" / "archives"


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest())
