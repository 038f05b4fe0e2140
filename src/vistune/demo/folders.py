"""What lies where in a run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHAINS = ("instructblip", "llava")
MODELS = ("instructblip", "llava")
PARTS_FILE = "parts.json"


def stage_folder(out: Path, stage: str) -> Path:
    """Where a stage keeps its state and log."""
    return out / "work" / stage


def answers_file(out: Path, model: str, task: str) -> Path:
    """Where a model's answers on a task are kept."""
    return out / "work" / "answers" / model / f"{task.replace(' ', '-')}.jsonl"


def data_file(out: Path) -> Path:
    """Where what is known of the training rows is kept: their number and the majority baseline, by task."""
    return out / "work" / "data.json"


def done_file(out: Path, chain: str) -> Path:
    """There once a chain has nothing left to do."""
    return out / "work" / f"{chain}.done"


def times_file(out: Path, chain: str) -> Path:
    """Where a chain notes the seconds it spent on each phase, a line each time."""
    return out / "work" / f"times-{chain}.jsonl"


def read_times(out: Path) -> dict[str, float]:
    """Seconds by phase, over all sittings."""
    times: dict[str, float] = {}
    for chain in CHAINS:
        for line in times_file(out, chain).read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            times[entry["phase"]] = times.get(entry["phase"], 0.0) + entry["seconds"]
    return times


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object beside its place, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
