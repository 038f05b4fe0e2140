"""Samples that were left out, listed in the stage's folder: those of all processes and all sittings, each once."""

from __future__ import annotations

import json
from pathlib import Path

from vistune.data.bad_rows import RowLog
from vistune.data.storage import written_whole
from vistune.train.parallel.processes import Processes

BAD_ROWS_FILE = "bad_rows.jsonl"


class BadRowList:
    """``bad_rows.jsonl``, brought up to date at every checkpoint.

    Args:
        folder: of the stage. log: of this process's feed.
    """

    def __init__(self, folder: Path, log: RowLog, processes: Processes) -> None:
        self._path = folder / BAD_ROWS_FILE
        self._log = log
        self._processes = processes
        self._told = 0
        self._lines: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def begin(self, step: int) -> None:
        """The stage begins anew, or goes on after ``step`` steps with the list that was saved then."""
        if step and self._path.exists():
            self._lines = dict.fromkeys(self._path.read_text(encoding="utf-8", errors="replace").splitlines())
        elif self._processes.is_main:
            self._path.unlink(missing_ok=True)

    def save(self) -> None:
        """Add what came since the last time; a collective.

        Raises:
            StorageError: the disk is full.
        """
        fresh = [
            json.dumps(
                {"place": str(row.place or ""), "reason": str(row.reason), "message": row.message}, ensure_ascii=False
            )
            for row in self._log.bad[self._told :]
        ]
        self._told = len(self._log.bad)
        before = len(self._lines)
        for some in self._processes.collect(fresh):
            self._lines.update(dict.fromkeys(some))
        if self._processes.is_main and len(self._lines) > before:
            with written_whole(self._path) as part:
                part.write_text("".join(f"{line}\n" for line in self._lines), encoding="utf-8")
