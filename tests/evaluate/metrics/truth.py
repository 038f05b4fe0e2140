"""Figures that the official evaluators gave, made by others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data"

needs_truth = pytest.mark.skipif(
    not (FOLDER / "metrics").is_dir(), reason="needs the official figures in ../shared/data/metrics"
)


def load(name: str) -> Any:
    """A JSON file of official figures."""
    return json.loads((FOLDER / "metrics" / name).read_text(encoding="utf-8"))


def rows(name: str) -> list[Any]:
    """A jsonl file of official figures."""
    lines = (FOLDER / "metrics" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]
