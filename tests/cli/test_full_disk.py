"""Writing to a real full disk: a small tmpfs, mounted for the test where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.commands import failure, vistune
from tests.tiny import make_llava

from vistune.errors import StorageError

Mount = Callable[[int], Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Mount]:
    """Mount a tmpfs of so many bytes and return its folder; skip where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def mount(size: int) -> Path:
        nonlocal mounted
        if os.geteuid() != 0:
            pytest.skip("mounting a tmpfs needs root")
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            pytest.skip(f"a tmpfs cannot be mounted here: {result.stderr.strip()}")
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(params=["seen before", "met while writing"])
def notice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the free space is looked up first, or another program takes it in between."""
    if request.param == "seen before":
        return "free"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    return "full"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_nothing_is_left_of_a_first_write(tmp_path: Path, small_disk: Mount, share: float, notice: str) -> None:
    model = make_llava(tmp_path / "model")
    disk = small_disk(int(size_of(model) * share))
    assert notice in failure("convert", model, disk / "out", code=1)
    assert list(disk.iterdir()) == []


def test_weights_fit_but_not_the_tokenizer(tmp_path: Path, small_disk: Mount) -> None:
    model = make_llava(tmp_path / "model")
    disk = small_disk((model / "model.safetensors").stat().st_size + 12_000)
    assert "full" in failure("convert", model, disk / "out", code=1)
    assert list(disk.iterdir()) == []


def test_the_old_folder_stays_whole(tmp_path: Path, small_disk: Mount, notice: str) -> None:
    old, new = make_llava(tmp_path / "old", seed=1), make_llava(tmp_path / "new", seed=2)
    disk = small_disk(int(size_of(old) * 1.6))
    assert vistune("convert", old, disk / "model").code == 0
    before = contents(disk)
    assert notice in failure("convert", new, disk / "model", code=1)
    assert contents(disk) == before
    assert vistune("ask", disk / "model", "Hello?", "--max-new-tokens", 2).code == 0


def test_training_stops_with_its_last_checkpoint_whole(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, small_disk: Mount
) -> None:
    from tests.train.rig import make_run, stage

    settings = stage(steps=6, save_every=2, keep=1, train={"language": 1e-3})
    probe = make_run(tiny_checkpoints["llava-mlp"], tmp_path, settings.model_copy(update={"save_every": 5}))
    with pytest.raises(KeyboardInterrupt):
        probe.run(lambda: True)
    # Room for one and a half: the new one is written beside the old one.
    folder = small_disk(int(1.5 * size_of(tmp_path))) / "stage"
    with pytest.raises(StorageError, match="the disk is full"):
        make_run(tiny_checkpoints["llava-mlp"], folder, settings).run()
    newest = make_run(tiny_checkpoints["llava-mlp"], folder, settings).checkpoints.newest()
    assert newest is not None
    assert newest.name.endswith("2")
