"""Files and folders that are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vistune.data.storage import folder_written_whole, written_whole
from vistune.errors import StorageError


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "f.txt"
    for text in ("one", "two"):
        with written_whole(path) as part:
            part.write_text(text)
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text
    with pytest.raises(ZeroDivisionError), written_whole(path) as part:
        part.write_text(str(1 / 0))
    assert path.read_text() == "two"
    assert [entry.name for entry in path.parent.iterdir()] == ["f.txt"]


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "There is no room left on the disk"), (errno.EACCES, "cannot be written")]
)
def test_disks_that_do_not_take_it(tmp_path: Path, number: int, message: str) -> None:
    for writing in (written_whole(tmp_path / "f"), folder_written_whole(tmp_path / "d", "mark")):
        with pytest.raises(StorageError, match=message), writing:
            raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "f").write_text("a file, no folder")
    with pytest.raises(StorageError, match="cannot be written"), written_whole(tmp_path / "f" / "g"):
        pass


def test_readers_keep_the_folder_they_opened(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    with folder_written_whole(folder, "mark") as part:
        (part / "mark").write_text("old")
    with (folder / "mark").open() as file, folder_written_whole(folder, "mark") as part:
        (part / "mark").write_text("new")
        assert (folder / "mark").read_text() == "old"
    with (folder / "mark").open() as file:
        assert file.read() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


def test_folders_of_living_writers_are_theirs(tmp_path: Path) -> None:
    living, dead = tmp_path / f".d.{os.getppid()}.part", tmp_path / ".d.999999999.part"
    living.mkdir()
    dead.mkdir()
    with folder_written_whole(tmp_path / "d", "mark"):
        pass
    assert living.exists()
    assert not dead.exists()


def test_the_old_folder_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "d"
    with folder_written_whole(folder, "mark") as part:
        (part / "mark").write_text("old")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise OSError(errno.EIO, "broken disk")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(StorageError, match="broken disk"), folder_written_whole(folder, "mark") as part:
        (part / "mark").write_text("new")
    assert (folder / "mark").read_text() == "old"
