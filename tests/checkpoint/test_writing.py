"""A folder is written whole or not at all, and what stood there before survives every accident."""

from __future__ import annotations

import os
import pkgutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import make_family

from vistune.checkpoint import load_model, save_model
from vistune.checkpoint.atomic import _previous, recover, replace_folder, size_text
from vistune.checkpoint.save import parse_size
from vistune.errors import InputError, StorageError


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def only_entries(folder: Path, *names: str) -> None:
    assert sorted(os.listdir(folder)) == sorted(names)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt(), OSError(5, "Input/output error")])
@pytest.mark.parametrize("step", ["write_processor", "write_weights"])
def test_interrupted_write_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, step: str
) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    before = contents(folder)
    model, processor = load_model(folder)

    def interrupt(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(f"vistune.checkpoint.save.{step}", interrupt)
    with pytest.raises(StorageError if isinstance(error, OSError) else type(error)):
        save_model(model, processor, folder)
    assert contents(folder) == before
    with pytest.raises((type(error), StorageError)):
        save_model(model, processor, tmp_path / "new")
    only_entries(tmp_path, "model")


@pytest.mark.parametrize(
    ("step", "after"),
    [
        ("save.write_weights", True),
        ("atomic.swap_in", False),
        # Between the two renames of a file system without exchange: the second one never happens.
        ("atomic._exchange", False),
    ],
)
def test_killed_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    before = contents(folder)
    model, processor = load_model(folder)
    target = f"vistune.checkpoint.{step}"
    original = pkgutil.resolve_name(target.replace("._", ":_"))

    def killed(*arguments: Any) -> None:
        if after:
            original(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            signal.alarm(60)
            monkeypatch.setattr(target, killed)
            save_model(model, processor, folder)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert contents(folder) == before
    assert len(os.listdir(tmp_path)) == 2
    save_model(*load_model(folder), folder)
    only_entries(tmp_path, "model")


def test_death_between_two_renames_is_healed(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    folder.rename(_previous(folder))
    load_model(folder)
    only_entries(tmp_path, "model")
    recover(folder)
    assert folder.is_dir()


def test_without_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vistune.checkpoint.atomic._exchange", lambda first, second: False)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("old")
    with replace_folder(tmp_path / "model", keep=lambda name: False) as new:
        (new / "new").write_text("new")
        only_entries(tmp_path / "model", "old")
    only_entries(tmp_path / "model", "new")
    only_entries(tmp_path, "model")


def test_other_files_are_carried_over_and_stale_ones_are_not(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp", max_shard_size="100KB")
    (folder / "README.md").write_text("mine")
    (folder / "logs").mkdir()
    log = (folder / "logs" / "train.jsonl").open("w")
    log.write("one\n")
    log.flush()
    model, processor = load_model(folder)
    save_model(model, processor, folder)
    log.write("two\n")
    log.close()
    assert (folder / "README.md").read_text() == "mine"
    assert (folder / "logs" / "train.jsonl").read_text() == "one\ntwo\n"
    assert [path.name for path in folder.glob("*.safetensors*")] == ["model.safetensors"]


def test_link_stays_a_link(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "real", "llava-mlp")
    (tmp_path / "link").symlink_to(folder)
    save_model(*load_model(tmp_path / "link"), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (folder / "vistune.json").is_file()
    only_entries(tmp_path, "link", "real")


def test_weights_are_as_readable_as_the_rest(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    old = os.umask(0o022)
    try:
        save_model(*load_model(tiny_checkpoints["llava-mlp"]), tmp_path / "new")
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir() if path.is_file()} == {0o644}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("used", [1_040_000, 700_000])
@pytest.mark.parametrize("check_first", [True, False])
def test_full_disk(
    small_disk: Path,
    tiny_checkpoints: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    used: int,
    check_first: bool,
) -> None:
    """The disk fills up while tokenizers, configs or weights are written, or is known to be too small before."""
    model, processor = load_model(tiny_checkpoints["llava-mlp"])
    (small_disk / "model").mkdir()
    (small_disk / "model" / "config.json").write_text("old")
    (small_disk / "filler").write_bytes(b"x" * used)
    model.language.model.resize_token_embeddings(6000)
    if not check_first:
        # As if the space went while we wrote.
        monkeypatch.setattr("vistune.checkpoint.atomic._free_bytes", lambda path: 10**12)
    with pytest.raises(StorageError) as caught:
        save_model(model, processor, small_disk / "model")
    message = str(caught.value)
    assert "\n" not in message
    assert str(small_disk / "model") in message
    assert "disk" in message
    assert (small_disk / "model" / "config.json").read_text() == "old"
    only_entries(small_disk / "model", "config.json")
    only_entries(small_disk, "model", "filler")


def test_places_that_cannot_be_written(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    model, processor = load_model(tiny_checkpoints["llava-mlp"])
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="a file of that name exists"):
        save_model(model, processor, tmp_path / "file")
    with pytest.raises(StorageError, match="Cannot write the checkpoint"):
        save_model(model, processor, tmp_path / "file" / "below")
    with pytest.raises(StorageError, match="Cannot write the checkpoint"):
        save_model(model, processor, "/proc/nothing/model")
    assert (tmp_path / "file").read_text() == "mine"


def test_shard_sizes() -> None:
    assert [parse_size(size) for size in ("5GB", "1.5 MB", "2KiB", 100)] == [5 * 10**9, 1_500_000, 2048, 100]
    for wrong in ("5 gigs", "-1GB", "0", ""):
        with pytest.raises(InputError, match="shard size"):
            parse_size(wrong)
    assert [size_text(size) for size in (5, 1_500_000, 7 * 10**12)] == ["5 bytes", "1.5 MB", "7000.0 GB"]
