"""Tar and zip files made by Python's own modules, whole, hostile and damaged."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vistune.data import archive_index
from vistune.data.archive_index import index_of, members
from vistune.data.archives import ArchiveMember, ImageBytes, find_member, stands_for
from vistune.data.images import count_images, image_bytes, open_image, open_images
from vistune.errors import DataError, ImageError

CONTENT = {f"d/{number}.bin": random.Random(number).randbytes(number * 37 % 500) for number in range(60)}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make_zip(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, content: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=format) as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def jpeg(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), color).save(buffer, "JPEG")
    return buffer.getvalue()


def read(archive: Path, name: str) -> bytes:
    member = find_member(archive, [name])
    assert member is not None
    return member.read()


@pytest.mark.parametrize("kind", ["stored", "deflated", "streamed", "pax", "gnu", "ustar"])
def test_every_member_reads_as_it_was_written(tmp_path: Path, kind: str) -> None:
    formats = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}
    content = dict(CONTENT)
    if kind != "ustar":
        content["ü/" + "long" * 50 + ".bin"] = b"long name"
    if kind in formats:
        path = make_tar(tmp_path / "a.tar", content, formats[kind])
    elif kind == "streamed":
        path = tmp_path / "a.zip"

        # Sizes come after the data when a zip is written to a pipe.
        class Pipe(io.RawIOBase):
            def __init__(self) -> None:
                self.file = path.open("wb")

            def writable(self) -> bool:
                return True

            def write(self, data: Any) -> int:
                return self.file.write(data)

        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
            for name, data in content.items():
                archive.writestr(name, data)
        pipe.file.close()
    else:
        method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
        path = make_zip(tmp_path / "a.zip", content, method)
    assert {member.member: member.read() for member in members(path)} == content
    for name in content:
        assert read(path, name) == content[name]
    assert find_member(path, ["d/60.bin", "0.bin"]) is None


def test_an_index_is_kept_on_disk_and_forgotten_when_the_archive_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_index, "_KEPT_FROM", 10)
    path = make_tar(tmp_path / "a.tar", CONTENT)
    assert read(path, "d/7.bin") == CONTENT["d/7.bin"]
    assert len(list((tmp_path / "cache").rglob("*.index"))) == 1
    archive_index._index.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_index, "members", None)
        assert read(path, "d/9.bin") == CONTENT["d/9.bin"]
    make_tar(path, {"d/7.bin": b"new", **{f"{number}": b"" for number in range(20)}})
    assert read(path, "d/7.bin") == b"new"
    assert find_member(path, ["d/9.bin"]) is None


def test_without_a_place_for_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_index, "_KEPT_FROM", 10)
    (tmp_path / "cache").write_text("a file where the cache should be")
    assert read(make_zip(tmp_path / "a.zip", CONTENT), "d/7.bin") == CONTENT["d/7.bin"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "..\\x", "C:\\x"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_members_that_lead_out_are_refused(tmp_path: Path, make: Any, name: str) -> None:
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tar"), {"good.jpg": b"1", name: b"2"})
    with pytest.raises(DataError, match="leads out of its folder; it is not safe"):
        find_member(path, ["good.jpg"])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_tar_members_that_are_no_files_are_never_followed(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("link.jpg")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    assert find_member(path, ["link.jpg"]) is None


def test_zip_links_are_never_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link.jpg")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert find_member(tmp_path / "a.zip", ["link.jpg"]) is None


def test_bombs_are_refused_before_they_go_off(tmp_path: Path) -> None:
    bomb = make_zip(tmp_path / "a.zip", {"bomb.png": bytes(70 * 2**20)})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(ImageError, match=r"bomb\.png would unpack from 0\.1 to 70 MB; this is refused"):
        read(bomb, "bomb.png")
    # One that says it is small: unpacking ends where it said it would.
    small = find_member(bomb, ["bomb.png"])
    assert small is not None
    liar = ArchiveMember(bomb, "bomb.png", small.offset, 1000, small.packed_size, small.method, small.crc)
    with pytest.raises(ImageError, match="damaged"):
        liar.read()
    huge = ArchiveMember(tmp_path / "a.tar", "huge", 0, 2**40, 2**40)
    with pytest.raises(ImageError, match="refused"):
        huge.read()


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"1.bin": b"abc" * 100}, zipfile.ZIP_STORED)
    member = find_member(path, ["1.bin"])
    assert member is not None
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"1\.bin is damaged"):
        member.read()
    path.write_bytes(bytes(len(data)))
    with pytest.raises(ImageError, match="has no file at byte 0; has it changed"):
        member.read()
    path.unlink()
    with pytest.raises(ImageError, match="cannot be read"):
        member.read()
    tar = make_tar(tmp_path / "a.tar", CONTENT)
    last = list(members(tar))[-1]
    tar.write_bytes(tar.read_bytes()[: last.offset + 5])
    with pytest.raises(ImageError, match="damaged"):
        last.read()


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_archives_that_are_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(DataError, match=f"cannot be read as {suffix[1:]}"):
        find_member(path, ["x"])
    with pytest.raises(DataError, match="cannot be read"):
        index_of(tmp_path / "gone.zip")


def test_zips_packed_otherwise(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"1.bin": b"a" * 99}, zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match=r"has '1\.bin' packed by method 14; expected stored or deflated"):
        find_member(path, ["1.bin"])


def test_pictures_are_opened_where_they_are(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"red.jpg": jpeg("red"), "empty.jpg": b"", "no.jpg": b"no picture"})
    member = find_member(path, ["red.jpg"])
    assert member is not None
    refs = (member, ImageBytes("blue.jpg", jpeg("blue")), Image.new("RGB", (2, 2), "lime"))
    assert [image.getpixel((1, 1)) for image in open_images(refs)] == [(254, 0, 0), (0, 0, 254), (0, 255, 0)]
    assert count_images(refs) == 3
    assert [image_bytes(ref) for ref in refs] == [jpeg("red"), jpeg("blue"), None]
    for name, message in (("empty.jpg", r"empty\.jpg' is empty \(0 bytes\)"), ("no.jpg", "no picture that Pillow")):
        with pytest.raises(ImageError, match=message):
            open_image(next(member for member in members(path) if member.member == name))


def test_names_of_shards() -> None:
    for name in ("train.zip", "train.tar", "train-00012.tar", "train_3.tar", "train.7.tar"):
        assert stands_for(Path(name), "train")
    assert stands_for(Path("train2014.zip"), "train2014")
    assert stands_for(Path("VG_100K_2.zip"), "VG_100K_2")
    assert not stands_for(Path("train2014.zip"), "train")
