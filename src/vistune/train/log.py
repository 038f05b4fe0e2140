"""A stage's log: one JSON object a line, cut back to the saved step when a run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOG_FILE = "log.jsonl"


class TrainLog:
    """Appends entries with a ``step`` to ``log.jsonl``; every line is flushed.

    Args:
        folder: of the stage. first_step: the step that comes next; entries from it on were lost with the process that
            wrote them and are dropped, so that the log is that of an undisturbed run.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LOG_FILE
        kept = [entry for entry in read_log(path) if entry["step"] < first_step]
        temporary = path.with_name(f"{LOG_FILE}.new")
        temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
        temporary.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, **entry: Any) -> None:
        """Append one entry."""
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Entries of a log; a last line that was cut off is left out."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries
