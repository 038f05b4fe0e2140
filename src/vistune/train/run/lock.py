"""One run in a folder at a time: two that write the same checkpoints would destroy each other's."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType

from vistune.errors import ResumeError

_held: set[int] = set()


def _let_go() -> None:
    """A forked process, as those that open pictures, would hold the lock when the one that trains is gone."""
    for folder in _held:
        os.close(folder)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


class RunLock:
    """A lock on a folder itself, which leaves nothing behind and is given back when its process ends, however it does.

    Where the file system knows no locks there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder: int | None = None

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._folder in _held:
            os.close(self._folder)
            _held.discard(self._folder)
        self._folder = None

    def take(self) -> None:
        """Hold the lock from now on, if the folder is there.

        Raises:
            ResumeError: another process holds it.
        """
        if self._folder is not None or not self._path.is_dir():
            return
        folder = os.open(self._path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(folder)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise ResumeError(
                    f"Another process trains in the folder {str(self._path)!r} now; wait until it ends, or choose "
                    "another folder with --out."
                ) from error
            return
        _held.add(folder)
        self._folder = folder
