"""A folder of results that several commands may use at once, on a GPU each: every benchmark is one command's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vistune.data.features.claims import Claims
from vistune.data.storage import storage_error
from vistune.errors import InputError

_CLAIMS = ".claims"
_RESULTS = "results"
_SECONDS = 0.1


class Place:
    """The folder as one command has it; the main process of each has one. It is made when something is taken."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._claims: Claims | None = None

    def take(self, benchmark: str) -> None:
        """Keep others from measuring it meanwhile: two would write the same files.

        Raises:
            InputError: another command is at it. StorageError: nothing can be written there.
        """
        if not self._opened().take(f"benchmark {benchmark}"):
            raise InputError(
                f"Another command is measuring {benchmark} in {str(self._out)!r} at present; wait for it, or choose "
                "another --out."
            )

    def leave(self, benchmark: str) -> None:
        """Others may measure it again."""
        self._opened().release(f"benchmark {benchmark}")

    @contextmanager
    def results(self) -> Iterator[None]:
        """What all benchmarks share (results.json, the report) is read and written by one command at a time.

        Raises:
            StorageError: nothing can be written there.
        """
        claims = self._opened()
        while not claims.take(_RESULTS):
            time.sleep(_SECONDS)
        try:
            yield
        finally:
            claims.release(_RESULTS)

    def close(self) -> None:
        """All may be taken by others."""
        if self._claims is not None:
            self._claims.__exit__(None, None, None)

    def _opened(self) -> Claims:
        if self._claims is None:
            try:
                self._claims = Claims(self._out / _CLAIMS)
            except OSError as error:
                raise storage_error(self._out, error) from error
        return self._claims
