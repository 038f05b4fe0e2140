"""The packaged starting points: where they lie, and whether they are as they were made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from vistune.errors import CheckpointError, InputError

NAMES = ("eva", "clip", "language")
RECORD = "pretrain.json"
ROOT = Path(__file__).parent / "assets"


def asset_dir(name: str) -> Path:
    """Folder of a packaged part: "eva" (InstructBLIP's vision type), "clip", or "language" (with the tokenizer)."""
    if name not in NAMES:
        raise InputError(f"unknown starting point {name!r}: expected one of {', '.join(NAMES)}")
    folder = ROOT / name
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"the packaged starting point {folder} is missing: reinstall vistune, "
            "or make it with `vistune world pretrain`"
        )
    return folder


def record(root: Path | None = None) -> dict[str, Any]:
    """What is known about how the starting points were made: settings, log, probes, checksums, versions, seconds."""
    path = (root or ROOT) / RECORD
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: make the starting points with `vistune world pretrain`")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def verify(root: Path | None = None) -> None:
    """Raises CheckpointError naming every packaged file whose content is not what the record says."""
    folder = root or ROOT
    expected: dict[str, str] = record(root)["sha256"]
    found = checksums(folder)
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise CheckpointError(
            f"{folder}: {', '.join(wrong)} missing, added or changed since `vistune world pretrain` made the "
            "starting points: reinstall vistune, or make them again"
        )


def checksums(root: Path) -> dict[str, str]:
    """SHA-256 of every file below the parts' folders, by its path from `root`."""
    files = sorted(path for name in NAMES for path in (root / name).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
