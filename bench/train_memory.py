"""Peak memory of a few training steps, each side in a process of its own: ru_maxrss, or torch's count on a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = 2


def compare_memory(kind: str, work: Path, device: str) -> dict[str, float]:
    """GiB of either side at its peak, Python and weights included, and what training adds to the loaded libraries."""
    sides = ["transformers", "vistune", *(["vistune_cached"] if kind == "instructblip" else [])]
    row: dict[str, float] = {}
    for side in sides:
        command = [sys.executable, __file__, side, kind, str(work), device]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        row[f"{side}_gib"], row[f"{side}_added_gib"] = found["peak"], found["peak"] - found["start"]
    for side in sides[1:]:
        for name in ("gib", "added_gib"):
            row[f"{side}_{name}_ratio"] = row[f"{side}_{name}"] / row[f"transformers_{name}"]
    return row


def _measure(side: str, kind: str, work: Path, device: str) -> dict[str, float]:
    from train_model import Examples
    from train_ours import cached_features, order_of, train_ours
    from train_theirs import train_theirs

    from vistune.train.meter import memory_used

    pictures = sorted((work / "pictures").iterdir(), key=lambda path: int(path.stem))
    examples = Examples(100_000, pictures)
    start = memory_used()
    if side == "transformers":
        train_theirs(kind, work / kind, examples, order_of(len(examples), STEPS), 0, device)  # type: ignore[arg-type]
    else:
        cache = cached_features(work / kind, pictures, device) if side == "vistune_cached" else None
        with tempfile.TemporaryDirectory(dir=work) as run:
            train_ours(kind, work / kind, examples, STEPS, Path(run), 0, device, cache)  # type: ignore[arg-type]
    return {"start": start / 2**30, "peak": memory_used() / 2**30}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])))
