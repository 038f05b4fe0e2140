"""Where pictures are: folders, links, tar shards, zip files; and names that lead elsewhere."""

from __future__ import annotations

import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from vistune.data.archives import ArchiveMember
from vistune.data.bad_rows import BadRow, Reason
from vistune.data.files import Files
from vistune.errors import DataError


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, f"{path.name}/{name}")
    return path


def tarred(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".source")
    with tarfile.open(path, "w") as archive:
        for name in names:
            source.write_text(f"{path.name}/{name}")
            archive.add(source, name)
    source.unlink()
    return path


def refused(files: Files, name: str, folder: str | None = None) -> BadRow:
    with pytest.raises(BadRow) as caught:
        files.image(name, folder)
    return caught.value


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_annotations_are_the_first_that_is_there(tmp_path: Path) -> None:
    put(tmp_path / "vqa" / "b.json")
    files = Files(tmp_path, "vqa")
    assert files.annotation("a.json", "b.json") == tmp_path / "vqa" / "b.json"
    with pytest.raises(DataError) as caught:
        files.annotation("a.json", "c/d.json")
    for name in ("a.json", "c/d.json"):
        assert str(tmp_path / "vqa" / name) in str(caught.value)
    assert files.annotation_candidates("x", folder="coco") == [tmp_path / "coco" / "x"]
    with pytest.raises(DataError, match="There is no data folder"):
        Files(tmp_path / "gone")


def test_pictures_in_folders(tmp_path: Path) -> None:
    path = put(tmp_path / "coco" / "val" / "sub" / "1.jpg")
    files = Files(tmp_path, "vqa")
    assert files.image("sub/1.jpg", "coco/val") == path
    assert files.image("./sub//1.jpg", "coco/val").read_bytes() == b"x"  # type: ignore[union-attr]
    assert files.image(str(path)) == path
    missing = refused(files, "2.jpg", "coco/val")
    assert missing.reason == Reason.MISSING_IMAGE
    assert "'2.jpg'" in str(missing) and str(tmp_path / "coco" / "val") in str(missing)
    assert refused(files, "sub", "coco/val").reason == Reason.MISSING_IMAGE
    assert refused(files, "1.jpg/2.jpg", "coco/val/sub").reason == Reason.MISSING_IMAGE
    assert files.image("2.jpg", "coco/val", check=False) == tmp_path / "coco" / "val" / "2.jpg"


@pytest.mark.parametrize(
    "name",
    ["../secret.jpg", "a/../../secret.jpg", "/etc/passwd", "..", "a\0.jpg", "OUTSIDE/secret.jpg"],
)
@pytest.mark.parametrize("check", [True, False])
def test_names_that_leave_the_data_root(tmp_path: Path, name: str, check: bool) -> None:
    put(tmp_path / "secret.jpg")
    put(tmp_path / "root" / "set" / "a" / "1.jpg")
    name = name.replace("OUTSIDE", str(tmp_path))
    with pytest.raises(BadRow) as caught:
        Files(tmp_path / "root", "set").image(name, check=check)
    assert caught.value.reason == Reason.PATH_LEAVES_ROOT


@pytest.mark.parametrize("name", ["", ".", "./", "..."])
def test_names_of_nothing(tmp_path: Path, name: str) -> None:
    assert refused(Files(tmp_path), name).reason == Reason.MISSING_IMAGE


def test_links(tmp_path: Path) -> None:
    """A whole folder may lie elsewhere: whoever owns the data root made that link. A picture may not lead out."""
    put(tmp_path / "secret.jpg")
    put(tmp_path / "big disk" / "val" / "1.jpg")
    root = tmp_path / "root"
    put(root / "set" / "real.jpg")
    (root / "coco").symlink_to(tmp_path / "big disk")
    (root / "set" / "same.jpg").symlink_to(root / "set" / "real.jpg")
    (root / "set" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "set" / "out").symlink_to(tmp_path)
    (root / "set" / "dangling.jpg").symlink_to(root / "nowhere")
    (root / "coco" / "val" / "up.jpg").symlink_to(tmp_path / "secret.jpg")
    files = Files(root, "set")
    assert files.image("1.jpg", "coco/val") == root / "coco" / "val" / "1.jpg"
    assert files.image("same.jpg") == root / "set" / "same.jpg"
    for name, folder in (("out.jpg", None), ("out/secret.jpg", None), ("up.jpg", "coco/val")):
        assert refused(files, name, folder).reason == Reason.PATH_LEAVES_ROOT
    assert refused(files, "dangling.jpg").reason == Reason.MISSING_IMAGE
    linked = tmp_path / "linked root"
    linked.symlink_to(root)
    assert Files(linked).image("set/real.jpg") == linked / "set" / "real.jpg"
    assert Files(linked).image(str(root / "set" / "real.jpg")) == linked / "set" / "real.jpg"


@pytest.mark.parametrize(
    ("archive", "member"),
    [
        ("coco/train.zip", "train/1.jpg"),
        ("coco/train.zip", "1.jpg"),
        ("coco/all.zip", "train/1.jpg"),
        ("coco/train/part.zip", "1.jpg"),
        ("coco/train-00007.tar", "1.jpg"),
        ("coco/train_7.tar", "./train/1.jpg"),
        ("coco.zip", "coco/train/1.jpg"),
        ("coco.tar", "train/1.jpg"),
    ],
)
def test_pictures_in_archives(tmp_path: Path, archive: str, member: str) -> None:
    make = zipped if archive.endswith("zip") else tarred
    path = make(tmp_path / archive, "other.txt", member)
    found = Files(tmp_path, "vqa").image("1.jpg", "coco/train", check=False)
    assert isinstance(found, ArchiveMember)
    assert found.read().decode() == f"{path.name}/{member}"
    assert str(found) == f"{path}:{member.removeprefix('./')}"
    assert pickle.loads(pickle.dumps(found)) == found
    assert len(pickle.dumps(found)) < 400


def test_files_go_before_archives_and_other_sets_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path / "a" / "1.jpg", b"file")
    zipped(tmp_path / "a.zip", "1.jpg", "2.jpg")
    (tmp_path / "b.zip").write_bytes(b"another set, being copied")
    files = Files(tmp_path, "a")
    assert files.image("1.jpg") == tmp_path / "a" / "1.jpg"
    assert files.image("2.jpg").read() == b"a.zip/2.jpg"  # type: ignore[union-attr]
    assert refused(files, "3.jpg").reason == Reason.MISSING_IMAGE


def test_many_shards(tmp_path: Path) -> None:
    for shard in range(12):
        tarred(tmp_path / "web" / f"{shard:05d}.tar", *(f"{shard}-{number}.jpg" for number in range(5)))
    files = Files(tmp_path, "web")
    for shard in [*range(12), 3, 0]:
        assert files.image(f"{shard}-4.jpg").read().decode() == f"{shard:05d}.tar/{shard}-4.jpg"  # type: ignore[union-attr]


def test_videos(tmp_path: Path) -> None:
    put(tmp_path / "clips" / "v.avi")
    video = Files(tmp_path, "msvd").video("v.avi", "clips", num_frames=2)
    assert (video.path, video.num_frames) == (tmp_path / "clips" / "v.avi", 2)
    with pytest.raises(BadRow):
        Files(tmp_path).video("gone.avi")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_that_must_not_be_read(tmp_path: Path) -> None:
    put(tmp_path / "closed" / "1.jpg").parent.chmod(0)
    assert refused(Files(tmp_path), "closed/1.jpg").reason == Reason.MISSING_IMAGE
