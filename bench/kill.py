"""A run that is killed again and again, beside one that is left alone: the same final weights, or the bench fails.

    python bench/kill.py [--kills 20] [--steps 60] [--seed 0] [--json]

`vistune train tiny/llava`, cut down, is started, killed (SIGKILL) at a random moment and started again with --resume;
one kill in five comes while a sitting still imports and loads, the others while it trains, saves, measures or changes
stages. A run that comes to its end before all kills are spent is compared, and another one begun.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

RECIPE = "tiny/llava"
TASKS = ("caption", "count", "existence", "colour", "shape", "place", "question")
SAVE_EVERY = 4
KILLED = -9


@dataclass(frozen=True)
class Kill:
    """A sitting that was killed.

    Args:
        seconds: since it began. steps: that the run had logged by then. saved: the newest checkpoint it left.
        writing: whether another one was being written. model: whether the final model was.
    """

    seconds: float
    steps: int
    saved: str
    writing: bool
    model: bool


def overrides(steps: int, features: Path) -> list[str]:
    """Everything small, checkpoints often."""
    settings = [f"data.world.{task}=48" for task in TASKS] + ["stages.align.data.world.caption=48"]
    for stage in ("align", "instruct"):
        values = {"steps": steps, "batch_size": 8, "micro_batch_size": 4, "save_every": SAVE_EVERY, "keep": 2}
        settings += [f"stages.{stage}.{name}={value}" for name, value in values.items()]
        settings.append(f"stages.{stage}.features={features}")
    settings += [f"stages.instruct.evaluate.world.{task}=4" for task in TASKS if task not in ("caption", "question")]
    return [*settings, "stages.instruct.evaluate.every=10"]


def begin(folder: Path, features: Path, steps: int, log: Path) -> subprocess.Popen[bytes]:
    """A sitting: on with the run that is in the folder, if one is."""
    command = [sys.executable, "-m", "vistune", "train", RECIPE, *overrides(steps, features), "--out", str(folder)]
    if (folder / "stages").exists():
        command.append("--resume")
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "OMP_NUM_THREADS": "1"})


def steps_done(folder: Path) -> int:
    """Lines of the log."""
    return sum(path.read_text(encoding="utf-8").count("\n") for path in folder.glob("stages/*/log.jsonl"))


def model_hash(folder: Path) -> str:
    """Of all weights of the final model."""
    digest = hashlib.blake2b(digest_size=16)
    paths = sorted((folder / "model").rglob("*.safetensors"))
    if not paths:
        raise SystemExit(f"The run in {folder} left no model; look at its output.")
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def undisturbed(folder: Path, features: Path, steps: int, log: Path) -> tuple[float, float]:
    """One run that is left alone. -> seconds until its first step, and from there to its end"""
    begun = time.monotonic()
    process = begin(folder, features, steps, log)
    while steps_done(folder) == 0 and process.poll() is None:
        time.sleep(0.01)
    first = time.monotonic()
    check(process, log)
    return first - begun, time.monotonic() - first


def check(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a sitting that must come to its end."""
    if process.wait() != 0:
        raise SystemExit(f"A run failed with code {process.returncode}: {log.read_text(errors='replace')[-2000:]}")


def disturb(
    process: subprocess.Popen[bytes], folder: Path, startup: float, training: float, early: bool
) -> Kill | None:
    """Kill a sitting after a random time; None: it came to its end before.

    Args:
        training: the longest that it may train. early: kill while it starts instead.
    """
    begun, before = time.monotonic(), steps_done(folder)
    if early:
        wait = random.uniform(0, startup)
    else:
        while steps_done(folder) <= before and process.poll() is None and time.monotonic() - begun < 10 * startup:
            time.sleep(0.002)
        wait = random.uniform(0, training)
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode != KILLED:
        return None
    found = sorted(folder.glob("stages/*/checkpoints/step-*"), key=lambda path: path.stat().st_mtime)
    return Kill(
        round(time.monotonic() - begun, 2),
        steps_done(folder),
        f"{found[-1].parents[1].name} {found[-1].name}" if found else "none",
        bool(list(folder.glob("stages/*/checkpoints/.step-*.new"))),
        bool(list(folder.glob(".model.vistune-new-*"))),
    )


def killed_runs(
    place: Path, features: Path, steps: int, kills: int, times: tuple[float, float], log: Path
) -> tuple[list[Kill], list[Path]]:
    """Runs until all kills are spent, each to its end."""
    done: list[Kill] = []
    runs: list[Path] = []
    startup, training = times
    while len(done) < kills:
        runs.append(place / f"killed-{len(runs)}")
        while len(done) < kills:
            process = begin(runs[-1], features, steps, log)
            kill = disturb(process, runs[-1], startup, 2.5 * training / kills, early=len(done) % 5 == 4)
            if kill is None:
                check(process, log)
                break
            done.append(kill)
        else:
            check(begin(runs[-1], features, steps, log), log)
    return done, runs


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description="Runs that are killed come to the weights of one that is not.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=60, help="of each of the two stages")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="vistune-kill-") as name:
        place = Path(name)
        features, log = place / "features", place / "output.txt"
        times = undisturbed(place / "alone", features, arguments.steps, log)
        expected = model_hash(place / "alone")
        kills, runs = killed_runs(place, features, arguments.steps, arguments.kills, times, log)
        identical = [model_hash(run) == expected for run in runs]
    if arguments.json:
        seconds = {"startup": round(times[0], 2), "training": round(times[1], 2)}
        print(
            json.dumps(
                {"kills": [asdict(kill) for kill in kills], "identical": identical, "seconds": seconds}, indent=1
            )
        )
    else:
        print_table(kills, identical, times)
    if not all(identical):
        raise SystemExit("A run that was killed came to other weights than one that was not.")


def print_table(kills: list[Kill], identical: list[bool], times: tuple[float, float]) -> None:
    """For people."""
    print(f"A run alone: {times[0]:.1f} s to its first step, {times[1]:.1f} s from there.")
    print(f"{'kill':>4} {'after':>8} {'steps':>6}  {'newest checkpoint':<26} {'in the middle of'}")
    for number, kill in enumerate(kills, start=1):
        middle = "a checkpoint" if kill.writing else "the final model" if kill.model else ""
        print(f"{number:>4} {kill.seconds:>6.2f} s {kill.steps:>6}  {kill.saved:<26} {middle}".rstrip())
    print(
        f"{len(kills)} kills, {len(identical)} runs, final weights identical in {sum(identical)} of {len(identical)}."
    )


if __name__ == "__main__":
    main()
