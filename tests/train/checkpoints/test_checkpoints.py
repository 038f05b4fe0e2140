"""Saving beside the training, keeping, falling back, and what is refused; one process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from vistune.errors import ResumeError, StorageError
from vistune.train.checkpoints import checkpoints as module_under_test
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.checkpoints.files import MANIFEST
from vistune.train.parallel.processes import Processes

WIDTH = 24


class Learner:
    """A model of which one layer is frozen, with its optimiser."""

    def __init__(self, seed: int = 0, width: int = WIDTH) -> None:
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(width, width), nn.Linear(width, width))
        self.model[0].requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.model[1].parameters(), lr=1e-2, fused=True)

    def step(self, number: int) -> None:
        torch.manual_seed(number)
        self.model(torch.randn(3, self.model[0].in_features)).pow(2).mean().backward()
        self.optimiser.step()
        self.optimiser.zero_grad()

    def equals(self, other: Learner) -> bool:
        return all(torch.equal(a, b) for a, b in zip(self.model.parameters(), other.model.parameters(), strict=True))


def open_checkpoints(folder: Path, keep: int = 2, told: list[str] | None = None, **fingerprints: str) -> Checkpoints:
    return Checkpoints(folder, keep, Processes.alone(), [].append if told is None else told.append, fingerprints)


def save_steps(folder: Path, *steps: int, best: tuple[int, ...] = (), keep: int = 2) -> Learner:
    learner = Learner()
    saved = open_checkpoints(folder, keep)
    for step in steps:
        learner.step(step)
        saved.save(step, learner.model, learner.optimiser, {"step": step}, best=step in best)
    saved.wait()
    return learner


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_goes_on_bit_for_bit(tmp_path: Path) -> None:
    straight = save_steps(tmp_path, 1, 2)
    other = Learner(seed=0)
    saved = open_checkpoints(tmp_path)
    path = saved.newest()
    assert path == tmp_path / "step-00000002"
    assert saved.load(path, other.model, other.optimiser) == {"step": 2}
    assert other.equals(straight)
    for learner in (straight, other):
        learner.step(3)
    assert other.equals(straight)


def test_only_what_learns_is_stored(tmp_path: Path) -> None:
    save_steps(tmp_path, 1)
    stored = module_under_test.stored_tensors(tmp_path / "step-00000001")
    slots = ("exp_avg", "exp_avg_sq", "step")
    kinds = ("1.weight", "1.bias")
    expected = {f"weights.{name}" for name in kinds} | {f"optimiser.{name}.{slot}" for name in kinds for slot in slots}
    assert set(stored) == expected


def test_finished_stage_has_weights_alone(tmp_path: Path) -> None:
    learner = Learner()
    saved = open_checkpoints(tmp_path)
    saved.save(4, learner.model, None, {})
    saved.wait()
    other = Learner(seed=1)
    saved.load(tmp_path / "step-00000004", other.model, other.optimiser)
    assert torch.equal(other.model[1].weight, learner.model[1].weight) and not other.optimiser.state


def test_keeps_the_last_and_the_best(tmp_path: Path) -> None:
    save_steps(tmp_path, 1, 2, 3, 4, 5, 6, best=(1, 3))
    assert names(tmp_path) == ["step-00000003", "step-00000005", "step-00000006"]
    assert open_checkpoints(tmp_path).best() == tmp_path / "step-00000003"


def test_nothing_saved_yet(tmp_path: Path) -> None:
    saved = open_checkpoints(tmp_path / "new")
    assert saved.newest() is None and saved.best() is None


def test_training_changes_nothing_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is held up until the weights are others."""
    go = threading.Event()
    original = module_under_test.write_checkpoint

    def late(*arguments: object) -> None:
        go.wait(10)
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module_under_test, "write_checkpoint", late)
    learner = Learner()
    before = learner.model[1].weight.detach().clone()
    saved = open_checkpoints(tmp_path)
    began = time.perf_counter()
    saved.save(1, learner.model, learner.optimiser, {})
    learner.step(1)
    assert saved.newest() is None
    # Saving has cost the training little of the time so far.
    assert saved.seconds_lost < time.perf_counter() - began < 9
    go.set()
    saved.wait()
    other = Learner(seed=1)
    saved.load(tmp_path / "step-00000001", other.model, None)
    assert torch.equal(other.model[1].weight, before) and not torch.equal(before, learner.model[1].weight)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
@pytest.mark.parametrize("name", ["__0_0.distcp", ".metadata", "extra.json", MANIFEST])
def test_damaged_newest(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    save_steps(tmp_path, 1, 2)
    damage(tmp_path / "step-00000002" / name)
    told: list[str] = []
    assert open_checkpoints(tmp_path, told=told).newest() == tmp_path / "step-00000001"
    assert len(told) == 1 and str(tmp_path / "step-00000002") in told[0] and name in told[0]


def test_all_damaged(tmp_path: Path) -> None:
    save_steps(tmp_path, 1, 2)
    for path in list(tmp_path.iterdir()):
        flip(path / "__0_0.distcp")
    with pytest.raises(ResumeError, match=r"No checkpoint in .* is whole: .*step-00000002.*step-00000001.*delete"):
        open_checkpoints(tmp_path).newest()


def test_what_came_after_a_damaged_one_goes(tmp_path: Path) -> None:
    """Gone back to step 1, the run saves step 3 earlier than it comes by step 4 again."""
    learner = save_steps(tmp_path, 1, 4)
    flip(tmp_path / "step-00000004" / "__0_0.distcp")
    saved = open_checkpoints(tmp_path)
    assert saved.newest() == tmp_path / "step-00000001"
    saved.save(3, learner.model, learner.optimiser, {})
    saved.wait()
    assert names(tmp_path) == ["step-00000001", "step-00000003"]


def test_same_step_again(tmp_path: Path) -> None:
    """As the best one, say: what was there is replaced whole."""
    learner = save_steps(tmp_path, 1)
    saved = open_checkpoints(tmp_path)
    saved.save(1, learner.model, learner.optimiser, {"again": True}, best=True)
    saved.wait()
    path = saved.best()
    assert path is not None and names(tmp_path) == ["step-00000001"]
    assert saved.load(path, learner.model, learner.optimiser) == {"again": True}


def test_other_data_is_refused(tmp_path: Path) -> None:
    learner = Learner()
    saved = open_checkpoints(tmp_path, settings="a", data="b")
    saved.save(1, learner.model, learner.optimiser, {})
    saved.wait()
    path = tmp_path / "step-00000001"
    assert open_checkpoints(tmp_path, settings="a", data="b").load(path, learner.model, None) == {}
    with pytest.raises(ResumeError, match=r"step-00000001.* other settings and data; use those"):
        open_checkpoints(tmp_path, settings="c", data="d").load(path, learner.model, None)


def test_other_model_is_refused(tmp_path: Path) -> None:
    save_steps(tmp_path, 1)
    path = tmp_path / "step-00000001"
    with pytest.raises(ResumeError, match=r"'1.weight' has shape \(24, 24\) there and \(8, 8\) in this run"):
        open_checkpoints(tmp_path).load(path, Learner(width=8).model, None)
    thawed = Learner()
    thawed.model[0].requires_grad_(True)
    with pytest.raises(ResumeError, match=r"the weight '0.bias' is not in it but trains in this run"):
        open_checkpoints(tmp_path).load(path, thawed.model, None)
    frozen = Learner()
    frozen.model[1].bias.requires_grad_(False)
    with pytest.raises(ResumeError, match=r"the weight '1.bias' does not train in this run"):
        open_checkpoints(tmp_path).load(path, frozen.model, None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 400 KB; skip where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {result.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("left", [0, 4_000, 20_000, 60_000])
def test_full_disk(small_disk: Path, left: int) -> None:
    """Another program takes all but ``left`` bytes: too few for a folder, for ``extra``, or for all tensors."""
    learner = Learner(width=64)
    saved = open_checkpoints(small_disk / "run")
    saved.save(1, learner.model, learner.optimiser, {})
    saved.wait()
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "other").write_bytes(bytes(max(0, free - left)))
    learner.step(2)
    saved.save(2, learner.model, learner.optimiser, {})
    with pytest.raises(
        StorageError, match=r"step-00000002' \(the disk is full\); make room.*before is whole"
    ) as caught:
        saved.wait()
    assert "\n" not in str(caught.value)
    assert names(small_disk / "run") == ["step-00000001"]
    assert open_checkpoints(small_disk / "run").newest() == small_disk / "run" / "step-00000001"
    (small_disk / "other").unlink()
    saved.save(3, learner.model, learner.optimiser, {})
    saved.wait()
    assert saved.newest() == small_disk / "run" / "step-00000003"


def test_error_comes_at_the_next_save(tmp_path: Path) -> None:
    learner = Learner()
    place = tmp_path / "run"
    saved = open_checkpoints(place)
    place.write_text("a file stands where the folder should be")
    saved.save(1, learner.model, learner.optimiser, {})
    with pytest.raises(StorageError, match="step-00000001"):
        saved.save(2, learner.model, learner.optimiser, {})


def _save_for_ever(folder: Path, first: int, done: int) -> None:
    """Weights of step n are n; the number of each checkpoint that is on the disk goes to ``done``."""
    learner = Learner()
    saved = open_checkpoints(folder, keep=1)
    for step in range(first, first + 1000):
        with torch.no_grad():
            for parameter in learner.model[1].parameters():
                parameter.fill_(step)
        saved.save(step, learner.model, None, {"step": step}, best=step % 3 == 0)
        saved.wait()
        os.write(done, step.to_bytes(4))


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """SIGKILL while checkpoints are written, replaced and deleted: the last one that was finished can be read."""
    last = 0
    for round_number in range(10):
        readable, done = os.pipe()
        child = os.fork()
        if child == 0:
            _save_for_ever(tmp_path, last + 1, done)
            os._exit(1)
        os.close(done)
        os.read(readable, 4)
        time.sleep(0.0137 * round_number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        last += 1 + len(os.read(readable, 4000)) // 4
        os.close(readable)
        learner, saved = Learner(), open_checkpoints(tmp_path, keep=1)
        path = saved.newest()
        assert path is not None
        # The kill may have come between the renaming and the report of it.
        assert saved.load(path, learner.model, None)["step"] in (last, last + 1)
        last = int(path.name.removeprefix("step-"))
        assert all(bool((parameter == last).all()) for parameter in learner.model[1].parameters())
        assert not [name for name in names(tmp_path) if name.startswith(".")]
