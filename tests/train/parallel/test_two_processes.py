"""Two processes with gloo, started by torchrun itself, against one with the same global batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.parallel.rig import CASES, Course, full
from tests.train.parallel.worker import KINDS, RESUMED, SAVED, STEPS, resumed, straight

from vistune.train.parallel.processes import Processes

ROOT = Path(__file__).parents[3]
WORKER = Path(__file__).with_name("worker.py")
# Seen: 6e-7 in losses, 2e-6 in weights.
TOLERANCE = 1e-5


def torchrun(*arguments: str | Path, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    """Two processes on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False, env=environment
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Course]:
    """One process."""
    return {name: straight(folder, name, "none", Processes.alone()) for name in CASES}


@pytest.fixture(scope="module")
def both(folder: Path, alone: dict[str, Course]) -> dict[str, Any]:
    """Two processes, after the one left its checkpoints."""
    result = torchrun(WORKER, folder)
    assert result.returncode == 0, result.stderr[-6000:]
    results: dict[str, Any] = torch.load(folder / "results.pt", weights_only=False)
    return results


def worst(one: Course, other: Course, first: int = 0) -> float:
    """Largest difference of losses and weights, norms relative to their size."""
    numbers = [abs(a - b) for a, b in zip(one.losses[first:], other.losses, strict=True)]
    numbers += [abs(a - b) / a for a, b in zip(one.norms[first:], other.norms, strict=True)]
    assert one.weights.keys() == other.weights.keys()
    return max(*numbers, *(float((value - other.weights[name]).abs().max()) for name, value in one.weights.items()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_trains_as_one_process(alone: dict[str, Course], both: dict[str, Any], name: str, kind: str) -> None:
    course = both["courses"][name, kind]
    assert len(course.losses) == STEPS and course.losses[-1] < course.losses[0]
    assert worst(alone[name], course) < TOLERANCE


def test_sharded_layers_that_recompute(alone: dict[str, Course], both: dict[str, Any]) -> None:
    assert worst(alone["llava-mlp"], both["courses"]["llava-mlp", "recomputed"]) < TOLERANCE


def test_sharded_in_bfloat16(both: dict[str, Any]) -> None:
    """Weights of two dtypes in one layer; what learns stays float32."""
    course = both["courses"]["llava-mlp", "bfloat16"]
    assert course.losses[-1] < course.losses[0] - 0.5 and any(".lora_" in name for name in course.weights)


@pytest.mark.parametrize(("made_by", "kind"), RESUMED)
def test_goes_on_from_a_checkpoint(alone: dict[str, Course], both: dict[str, Any], made_by: str, kind: str) -> None:
    course = both["courses"]["llava-mlp", f"{made_by} to {kind}"]
    assert len(course.losses) == STEPS - SAVED
    assert worst(alone["llava-mlp"], course, SAVED) < TOLERANCE
    if made_by == kind:
        undisturbed = both["courses"]["llava-mlp", kind]
        assert course.losses == undisturbed.losses[SAVED:]
        assert all(torch.equal(course.weights[name], undisturbed.weights[name]) for name in course.weights)


@pytest.mark.parametrize("made_by", ["alone", *KINDS])
@pytest.mark.parametrize("name", ["llava-mlp", "stage1"])
def test_one_process_goes_on(
    folder: Path, alone: dict[str, Course], both: dict[str, Any], name: str, made_by: str
) -> None:
    course = resumed(folder, name, made_by, "none", Processes.alone())
    assert worst(alone[name], course, SAVED) < TOLERANCE
    if made_by == "alone":
        assert course.losses == alone[name].losses[SAVED:]
        assert all(torch.equal(full(value), alone[name].weights[key]) for key, value in course.weights.items())


def test_each_process_holds_half(both: dict[str, Any]) -> None:
    assert both["facts"]["share of memory"] == pytest.approx([0.5, 0.5], abs=0.02)


def test_whole_model_inside_a_sharded_run(both: dict[str, Any]) -> None:
    """Each process generates and measures on its own, another number of times."""
    assert max(both["facts"]["gathered"]) < TOLERANCE
