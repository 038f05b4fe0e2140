"""Who a process is by torchrun's environment, and what it says when that or another process is wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from tests.train.parallel.test_two_processes import torchrun
from torch import nn

from vistune.errors import RecipeError, TrainingError
from vistune.train.parallel.processes import Processes, start, stop

LOSER = Path(__file__).with_name("loser.py")


@pytest.mark.parametrize("kind", ["none", "ddp", "fsdp"])
def test_without_torchrun_one_process(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    processes = start(kind, "cpu")  # type: ignore[arg-type]
    assert (processes.rank, processes.size, processes.is_main, processes.group) == (0, 1, True, None)
    stop(processes)


def test_several_processes_for_a_recipe_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match=r"started 2 processes .*parallel: none; add parallel=ddp"):
        start("none")


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RecipeError, match=r"Process 1 .*no GPU of its own, there are 1; start at most 1"):
        start("ddp")


def test_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrainingError, match=r"Process 0 cannot join the others at None:None .*torchrun"):
        start("ddp", "cpu")


def test_alone() -> None:
    """Every collective of one process gives back what it got."""
    alone = Processes.alone()
    rows = torch.ones(2, 3, requires_grad=True)
    assert alone.gather(rows) is rows and alone.most(4) == 4 and alone.broadcast("a") == "a"
    assert alone.collect([1]) == [[1]] and torch.equal(alone.sum(rows), rows) and not alone.sum(rows).requires_grad
    layer = nn.Linear(2, 2)
    alone.add_gradients(layer.parameters())
    alone.barrier()
    assert layer.weight.grad is None


def test_a_process_that_dies_ends_the_others(tmp_path: Path) -> None:
    """With a sentence, and at once; waiting for the timeout would be half an hour."""
    began = time.monotonic()
    result = torchrun(LOSER, tmp_path / "said")
    assert result.returncode != 0 and time.monotonic() - began < 300
    assert (tmp_path / "said").exists(), result.stderr[-3000:]
    said = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
    assert len(said) == 2
    for sentence in said:
        assert sentence.startswith("Another process of this run ended") and "--resume" in sentence
