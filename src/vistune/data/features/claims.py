"""Who does what among several processes that write into one folder."""

from __future__ import annotations

import errno
import fcntl
import hashlib
from pathlib import Path
from types import TracebackType
from typing import IO

_TAKEN = (errno.EACCES, errno.EAGAIN)


class Claims:
    """Named claims on pieces of work, each held by at most one process.

    Locks of single bytes of one file: the system drops those of a process that dies however it dies, network file
    systems keep them between machines, and nothing is left to clean up. A file system without locks grants every claim:
    work may then be done twice, which costs time and changes no result.

    Args:
        path: of the file, made if need be. A process must open it only once at a time (closing one drops all locks).
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab")
        self.usable = True

    def take(self, name: str) -> bool:
        """Take a claim without waiting. -> whether it is ours now"""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(name))
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            self.usable = False
        return True

    def release(self, name: str) -> None:
        """Give a claim back."""
        if self.usable:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(name))

    def __enter__(self) -> Claims:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _byte(name: str) -> int:
    """Place in the file that stands for a name; locks may lie behind its end."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 2
