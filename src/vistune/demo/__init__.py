"""`vistune demo`: the whole chain on the picture world, or on a folder of your own pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def run_demo(
    minutes: float | None = None,
    out: Path = Path("runs/demo"),
    seed: int = 0,
    data: Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Tune, measure and report; see :func:`vistune.demo.run.run_demo`, which comes in with torch when it is called."""
    from vistune.demo.run import run_demo as run

    return run(minutes, out, seed, data, columns)
