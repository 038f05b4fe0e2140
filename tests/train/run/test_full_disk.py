"""A run whose disk fills up: one sentence, the last checkpoint whole, and the same run again goes on from it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.train.run.rig import small, weights

from vistune.errors import StorageError
from vistune.train.run import run_recipe


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real tmpfs of 16 MB; skip where mounting is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16M", "tmpfs", str(place)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {result.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_ends_the_run_and_room_lets_it_go_on(disk: Path, tmp_path: Path) -> None:
    # Language model and optimiser: about 14 MB a checkpoint, of which the first fits and the second does not.
    recipe = small("tiny/llava", tmp_path / "features", steps=4, extra=["stages.instruct.evaluate=null"])
    quiet = lambda text: None  # noqa: E731
    with pytest.raises(StorageError) as caught:
        run_recipe(recipe, out=disk / "run", say=quiet)
    assert "full" in str(caught.value) and "\n" not in str(caught.value)
    assert not (disk / "run" / "model").exists()
    shutil.copytree(disk / "run", tmp_path / "moved")
    kept = sorted((tmp_path / "moved/stages/instruct/checkpoints").glob("step-*"))
    assert len(kept) == 1
    moved = run_recipe(recipe, out=tmp_path / "moved", resume=True, say=quiet)
    undisturbed = run_recipe(recipe, out=tmp_path / "whole", say=quiet)
    first, second = weights(moved.model), weights(undisturbed.model)
    assert all((first[name] == second[name]).all() for name in first)
