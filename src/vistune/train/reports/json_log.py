"""The log that is always kept: one JSON object a step, cut back to the saved step when a run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from vistune.data.storage import storage_error
from vistune.train.reports.report import Report, StepEntry

LOG_FILE = "log.jsonl"
EVALUATIONS_FILE = "evaluations.jsonl"


class JsonLog(Report):
    """``log.jsonl`` has every step, ``evaluations.jsonl`` what was measured on the way; every line is flushed.

    Entries of steps after the saved one were lost with the process that wrote them and are dropped, so that the logs
    are those of an undisturbed run (but for times).

    Args:
        folder: of the stage.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, TextIO] = {}

    def begin(self, stage: str, step: int, steps: int) -> None:
        """Open both and drop what comes after ``step``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in (LOG_FILE, EVALUATIONS_FILE):
            path = self._folder / name
            cut_back(path, step)
            self._files[name] = path.open("a", encoding="utf-8")

    def step(self, entry: StepEntry) -> None:
        """Append a line.

        Raises:
            StorageError: the disk is full.
        """
        line: dict[str, Any] = {"step": entry.step, "loss": entry.loss}
        if len(entry.parts) > 1:
            line["parts"] = dict(entry.parts)
        if entry.sets:
            line["sets"] = dict(entry.sets)
        line |= {
            "grad_norm": entry.grad_norm,
            "lr": dict(entry.rates),
            "samples": entry.samples,
            "tokens": entry.tokens,
            "learned": entry.learned,
            "seconds": round(entry.seconds, 5),
            "waited": round(entry.waited, 5),
            "samples_per_second": round(entry.samples_per_second, 2),
            "tokens_per_second": round(entry.tokens_per_second, 1),
            "memory": entry.memory,
            "time": round(time.time(), 1),
        }
        self._write(LOG_FILE, line)

    def evaluated(self, step: int, figures: Mapping[str, float], best: bool) -> None:
        """Append a line."""
        self._write(EVALUATIONS_FILE, {"step": step, "best": best, **figures})

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files = {}

    def _write(self, name: str, entry: Mapping[str, Any]) -> None:
        try:
            self._files[name].write(json.dumps(entry) + "\n")
            self._files[name].flush()
        except OSError as error:
            raise storage_error(self._folder / name, error) from error


def cut_back(path: Path, step: int) -> None:
    """Drop entries after a step, and what is left of a line that was cut off."""
    if not path.exists():
        return
    kept = [entry for entry in read_log(path) if entry["step"] <= step]
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
    temporary.replace(path)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Entries of a log up to the first line that is none, as a machine that died may leave one."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            break
        if not isinstance(entry, dict) or not isinstance(entry.get("step"), int):
            break
        entries.append(entry)
    return entries
