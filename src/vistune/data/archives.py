"""Pictures inside tar and zip files, read where they stand: nothing is ever unpacked to disk. And ones in memory."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from vistune.errors import DataError, ImageError

MAX_MEMBER_BYTES = 2**29
STORED, DEFLATED = 0, 8
_LOCAL_HEADER = struct.Struct("<4s22xHH")
# Pictures and videos are packed already; what shrinks this much more and is this large was made to fill memory.
_BOMB_RATIO, _BOMB_BYTES = 100, 2**26


@dataclass(frozen=True)
class ArchiveMember:
    """One file inside a tar or zip file.

    Args:
        archive: the file. member: its name inside.
        offset: where its bytes begin, for a zip file its local header. size: of its bytes, unpacked.
        packed_size: of its bytes as they stand. method: 0 stored, 8 deflated. crc: of the unpacked bytes; None for tar.
    """

    archive: Path
    member: str
    offset: int
    size: int
    packed_size: int
    method: int = STORED
    crc: int | None = None

    def __str__(self) -> str:
        return f"{self.archive}:{self.member}"

    @property
    def suffix(self) -> str:
        """Ending of the member's name, as of a path: ".jpg"."""
        return PurePosixPath(self.member).suffix

    def read(self) -> bytes:
        """The bytes of the file.

        Raises:
            ImageError: the archive is gone or cut off, the bytes are damaged, or they unpack to more than they say.
        """
        if self.size > MAX_MEMBER_BYTES or (self.size > _BOMB_BYTES and self.size > _BOMB_RATIO * self.packed_size):
            raise ImageError(
                f"{self} would unpack from {self.packed_size / 2**20:.1f} to {self.size / 2**20:.0f} MB; this is "
                f"refused above {MAX_MEMBER_BYTES // 2**20} MB, or {_BOMB_RATIO} times and {_BOMB_BYTES // 2**20} MB."
            )
        try:
            with self.archive.open("rb") as file:
                file.seek(self.offset)
                if self.crc is not None:
                    file.seek(self._header_rest(file.read(_LOCAL_HEADER.size)), os.SEEK_CUR)
                raw = file.read(self.packed_size)
            # Never unpacks more than the archive says, so that a bomb ends as "damaged".
            data = raw if self.method == STORED else zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, self.size + 1)
        except (OSError, zlib.error) as error:
            raise ImageError(f"{self} cannot be read ({error}); is the archive damaged?") from error
        if len(data) != self.size or (self.crc is not None and zlib.crc32(data) != self.crc):
            raise ImageError(f"{self} is damaged: its bytes are not those that the archive was made with.")
        return data

    def _header_rest(self, header: bytes) -> int:
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
            raise ImageError(f"{self} cannot be read: the archive has no file at byte {self.offset}; has it changed?")
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        return int(name_length + extra_length)


@dataclass(frozen=True)
class ImageBytes:
    """A picture file that is in memory already. ``name``: for messages, such as the path it had once."""

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name

    def read(self) -> bytes:
        """The bytes of the file."""
        return self.data


def stands_for(archive: Path, folder: str) -> bool:
    """Whether an archive goes by a folder's name: train.zip, train.tar, train-00012.tar, train_003.tar by "train"."""
    return folder in (archive.stem, re.sub(r"[-_.]\d+$", "", archive.stem))


@lru_cache(maxsize=1024)
def archives_of(folder: Path) -> tuple[Path, ...]:
    """The tar and zip files in a folder, by name."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.iterdir() if path.suffix in (".tar", ".zip") and path.is_file()))


def find_member(archive: Path, names: Iterable[str]) -> ArchiveMember | None:
    """The first of these files that the archive has.

    Raises:
        DataError: the archive is none, or has members that lead out of it.
    """
    from vistune.data.archive_index import index_of

    index = index_of(archive)
    for name in names:
        member = index.find(name)
        if member is not None:
            return member
    return None


def check_member_name(archive: Path, name: str) -> str:
    """A member's name as people write it, without "./" in front.

    Raises:
        DataError: it would lead out of the folder that the archive is unpacked to.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"^[A-Za-z]:", name):
        raise DataError(
            f"The archive {str(archive)!r} has a member {name!r} that leads out of its folder; it is not safe to use."
        )
    return str(path)
