"""Runs that are killed, stopped or spread: the same model in the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tests.train.run.rig import cut_down, weights

ROOT = Path(__file__).resolve().parents[3]
STEPS = 14
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}


def command(folder: Path, features: Path, *more: str) -> list[str]:
    """A run of two stages, the second with dropout, adapters and evaluation."""
    small = cut_down("tiny/llava15_lora", features, steps=STEPS, every=4)
    return ["train", "tiny/llava15_lora", *small, "--out", str(folder), *more]


def begin(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vistune", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(arguments: list[str]) -> str:
    process = begin(arguments)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def steps_done(folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.glob("stages/*/log.jsonl"))


def wait_for(process: subprocess.Popen[str], folder: Path, steps: int) -> None:
    """Until so many steps were logged, over all stages and sittings."""
    deadline = time.monotonic() + 120
    while steps_done(folder) < steps and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, features: Path) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(command(folder, features))
    return weights(folder / "model")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_three_kills_at_random_moments_change_nothing(
    tmp_path: Path, features: Path, undisturbed: dict[str, torch.Tensor]
) -> None:
    """SIGKILL in the first stage, about the change of stages, and in the second."""
    folder = tmp_path / "run"
    draw = random.Random(time.time_ns())
    moments = sorted(draw.sample(range(2, 2 * STEPS), 3))
    for number, moment in enumerate(moments):
        process = begin(command(folder, features, *(["--resume"] if number else [])))
        wait_for(process, folder, moment)
        time.sleep(draw.random() * 0.2)
        process.kill()
        process.wait()
        assert not (folder / "model").exists() or number == 2
    output = finish(command(folder, features, "--resume"))
    assert same(weights(folder / "model"), undisturbed), (moments, output)


@pytest.mark.slow
def test_sigterm_saves_and_says_how_to_go_on(
    tmp_path: Path, features: Path, undisturbed: dict[str, torch.Tensor]
) -> None:
    folder = tmp_path / "run"
    process = begin(command(folder, features))
    wait_for(process, folder, STEPS + 3)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "--resume" in output and "Traceback" not in output
    assert "Stopping after this step, with everything saved; Ctrl-C again ends it at once." in output
    saved = sorted((folder / "stages" / "instruct" / "checkpoints").glob("step-*"))
    assert int(saved[-1].name.removeprefix("step-")) % 4 != 0 or steps_done(folder) % 4 == 2
    finish(command(folder, features, "--resume"))
    assert same(weights(folder / "model"), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_come_to_the_same_model(tmp_path: Path, features: Path, parallel: str) -> None:
    """Through torchrun itself, in float32: weights as those of one process, the answers to the questions too."""
    alone, both = tmp_path / "alone", tmp_path / "both"
    small = cut_down("tiny/instructblip", features, steps=4, every=4)
    finish(["train", "tiny/instructblip", *small, "--out", str(alone)])
    arguments = ["train", "tiny/instructblip", *small, f"parallel={parallel}", "--out", str(both)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "vistune"]
    done = subprocess.run(
        [sys.executable, *launcher, *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    first, second = weights(alone / "model"), weights(both / "model")
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(second[name], first[name], rtol=0, atol=2e-5, msg=name)
    figures = [(folder / "stages/instruct/evaluations.jsonl").read_text() for folder in (alone, both)]
    assert figures[0].count("mean") == figures[1].count("mean") > 0
