"""Finished answers of one benchmark on disk: a line each, written as they come, kept from run to run.

answers.jsonl         what earlier runs finished, by key
answers.<rank>.jsonl  what a process is writing, or was when it was killed
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from vistune.data.counting import count_of
from vistune.data.storage import storage_error, written_whole
from vistune.evaluate.metrics.checks import is_finite

logger = logging.getLogger(__name__)

Answered = dict[str, Any]
"""One answer: id, key, prompt and text, or candidates and their scores instead; ``of`` says how many there were
where only the best are kept. Of retrieval, key and ``data``, see `vistune.evaluate.runner.matched`."""

_WHOLE = "answers.jsonl"
_FEW = 5
_PARTS = "answers.*.jsonl"


def read_answers(folder: Path) -> dict[str, Answered]:
    """All finished answers by key, those of killed processes too; a line that is cut off counts as none."""
    return _read(folder)[0]


def _read(folder: Path) -> tuple[dict[str, Answered], bool]:
    """And whether something there is damaged."""
    found: dict[str, Answered] = {}
    damaged = False
    for path in _files(folder):
        for row in _rows(path):
            damaged |= row is None
            if row is not None:
                found[row["key"]] = row
    return found, damaged


def merge_parts(folder: Path, more: Mapping[str, Answered] | None = None) -> dict[str, Answered]:
    """As :func:`read_answers`, with everything moved to one whole file. Only while nobody writes.

    Args:
        more: answers by key that other processes may have written elsewhere.

    Raises:
        StorageError: the disk is full or does not allow it; nothing is lost.
    """
    known, damaged = _read(folder)
    found = {**known, **(more or {})}
    parts = sorted(folder.glob(_PARTS))
    # Without the damaged lines, which are told of once.
    if parts or more or damaged:
        with written_whole(folder / _WHOLE) as new, new.open("w", encoding="utf-8") as file:
            file.writelines(_line(row) for row in found.values())
        for path in parts:
            path.unlink(missing_ok=True)
    return found


class Writer:
    """Appends answers of one process to a file of its own; what was added survives a kill."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._path = folder / f"answers.{rank:04d}.jsonl"
        self._file: IO[str] | None = None

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write answers and hand them to the system.

        Raises:
            StorageError: the disk is full or does not allow it.
        """
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", encoding="utf-8")
            self._file.writelines(_line(row) for row in rows)
            self._file.flush()
        except OSError as error:
            raise storage_error(self._path, error) from error

    def close(self) -> None:
        """No more is added."""
        if self._file is not None:
            self._file.close()


def _files(folder: Path) -> list[Path]:
    whole = folder / _WHOLE
    return [*([whole] if whole.is_file() else []), *sorted(folder.glob(_PARTS))]


def _rows(path: Path) -> Iterator[Answered | None]:
    """None for a damaged line; one that was being written when its process was killed is left out."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    damaged = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _parsed(line)
        if row is not None:
            yield row
        elif number < len(lines):
            damaged.append(number)
            yield None
    if damaged:
        shown = ", ".join(map(str, damaged[:_FEW])) + (", ..." if len(damaged) > _FEW else "")
        what = count_of(len(damaged), "damaged line")
        logger.warning("%s has %s (%s); what stood there is asked for again.", path, what, shown)


def _parsed(line: str) -> Answered | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    whole = isinstance(row, dict) and isinstance(row.get("key"), str)
    return row if whole and (_is_text(row) or _is_ranked(row) or isinstance(row.get("data"), str)) else None


def _is_text(row: Answered) -> bool:
    return isinstance(row.get("text"), str)


def _is_ranked(row: Answered) -> bool:
    candidates, scores = row.get("candidates"), row.get("scores")
    if not isinstance(candidates, list) or not isinstance(scores, list) or not len(candidates) == len(scores) > 0:
        return False
    return all(isinstance(text, str) for text in candidates) and all(is_finite(score) for score in scores)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
