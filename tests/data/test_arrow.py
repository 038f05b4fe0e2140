"""Any examples as sharded Arrow, and back the same."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vistune.data import arrow, arrow_build
from vistune.data.archives import ArchiveMember, ImageBytes
from vistune.data.arrow import ArrowExamples, is_built
from vistune.data.arrow_build import build_arrow
from vistune.data.arrow_schema import schema
from vistune.data.bad_rows import BadRow, OnError, Reason, RowLog
from vistune.data.example import Example
from vistune.data.images import image_bytes, open_image
from vistune.data.video import VideoFrames
from vistune.errors import DataError, StorageError

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
PATHS = st.sampled_from(["a.jpg", "ü/b.jpg", "/elsewhere/c.jpg"]).map(lambda name: Path("/sets") / name)
FILES = PATHS | st.builds(
    ArchiveMember, PATHS, TEXT, *[st.integers(0, 2**40)] * 3, st.sampled_from([0, 8]), st.none() | st.integers(0, 2**32)
)
IMAGES = st.lists(FILES | st.builds(VideoFrames, FILES, st.integers(1, 9)), max_size=3).map(tuple)
STRATEGIES = {"id": TEXT, "task": TEXT, "target": st.none() | TEXT, "candidates": st.none() | TEXTS, "images": IMAGES}
EXAMPLES = st.builds(
    Example,
    **{
        field.name: STRATEGIES.get(
            field.name, PAIRS if field.name in ("turns", "history") else TEXT if field.default == "" else TEXTS
        )
        for field in dataclasses.fields(Example)
    },
)


def numbered(count: int, **fields: object) -> list[Example]:
    return [Example(f"row {number}", "t", question=f"q{number}?", **fields) for number in range(count)]  # type: ignore[arg-type]


def png(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), color).save(buffer, "PNG")
    return buffer.getvalue()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(EXAMPLES, max_size=12), shard_rows=st.integers(1, 5))
def test_rows_come_back_as_they_were(tmp_path: Path, rows: list[Example], shard_rows: int) -> None:
    built = build_arrow(rows, tmp_path / "set", root=Path("/sets"), shard_rows=shard_rows)
    assert list(built) == rows
    assert [built[number] for number in range(len(rows))] == rows
    assert built[1:-1] == rows[1:-1]
    assert pickle.loads(pickle.dumps(built))[:] == rows


def test_every_field_of_an_example_has_a_column() -> None:
    assert set(schema().names) == {field.name for field in dataclasses.fields(Example)}


def test_indices(tmp_path: Path) -> None:
    built = build_arrow(numbered(5), tmp_path / "set", shard_rows=2)
    assert built[-1].id == "row 4"
    for index in (5, -6):
        with pytest.raises(IndexError, match=f"index {index} of 5"):
            built[index]
    assert len(build_arrow([], tmp_path / "none")) == 0


def test_other_programs_read_the_shards(tmp_path: Path) -> None:
    from datasets import Dataset

    build_arrow(numbered(5, answers=("a", "b")), tmp_path / "set", shard_rows=3)
    files = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert files == ["build.json", "data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    opened = Dataset.from_file(str(tmp_path / "set" / files[2]))
    assert [(row["id"], row["answers"]) for row in opened] == [("row 3", ["a", "b"]), ("row 4", ["a", "b"])]


def test_pictures_are_kept_as_paths_or_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "red.png"
    path.parent.mkdir()
    path.write_bytes(png("red"))
    rows = [
        Example("0", "t", images=(path, ImageBytes("blue.png", png("blue")))),
        Example("1", "t"),
        Example("2", "t", images=(Image.new("RGB", (4, 3), "lime"), VideoFrames(path, 2))),
    ]
    paths = build_arrow(rows, tmp_path / "paths", root=path.parent)
    assert paths[0].images[0] == path
    kept = build_arrow(rows, tmp_path / "kept", root=path.parent, embed_images=True)
    path.rename(tmp_path / "red.png")
    for built, number in ((kept, 0), (paths, 1)):
        image = built[0].images[number]
        assert isinstance(image, ArchiveMember)
        assert pickle.loads(pickle.dumps(image)).read() == png("red" if number == 0 else "blue")
    assert [open_image(ref).getpixel((0, 0)) for ref in kept[0].images] == [(255, 0, 0), (0, 0, 255)]
    assert open_image(paths[2].images[0]).getpixel((0, 0)) == (0, 255, 0)
    video = kept[2].images[1]
    assert isinstance(video, VideoFrames)
    assert (image_bytes(video.path), video.num_frames) == (png("red"), 2)
    assert len(pickle.dumps(kept[0])) < 800
    moved = ArrowExamples(tmp_path / "paths", root=tmp_path)
    assert image_bytes(moved[0].images[0]) == png("red")


def test_large_pictures_end_batches_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_build, "_BATCH_BYTES", 1000)
    monkeypatch.setattr(arrow_build, "_SHARD_BYTES", 20_000)
    rows = [Example(str(n), "t", images=(ImageBytes("x", bytes([n]) * 900),)) for n in range(60)]
    built = build_arrow(rows, tmp_path / "set")
    assert len(built.about["shards"]) > 3
    assert all(batch[0] <= 2 for shard in built.about["shards"] for batch in shard["batches"])
    assert [image_bytes(row.images[0]) for row in built] == [bytes([n]) * 900 for n in range(60)]


def test_the_fingerprint_is_of_the_rows(tmp_path: Path) -> None:
    prints = [
        build_arrow(rows, tmp_path / "set", root=tmp_path).fingerprint
        for rows in (numbered(5), numbered(5), numbered(4), numbered(5, answers=("x",)))
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_left_out_rows_are_listed(tmp_path: Path) -> None:
    log = RowLog(OnError("skip"))
    log.add(BadRow(Reason.MISSING_IMAGE, "there is no picture."))
    built = build_arrow(numbered(2), tmp_path / "set", source={"source": "x"}, log=log)
    assert built.about["left_out"] == {"missing image": 1}
    assert built.about["source"] == {"source": "x"}
    (line,) = (tmp_path / "set" / "left_out.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "missing image"


def test_what_goes_wrong_leaves_the_old_set_whole(tmp_path: Path) -> None:
    def stopped() -> Iterator[Example]:
        yield from numbered(10)
        raise KeyboardInterrupt

    for there in (False, True):
        with pytest.raises(KeyboardInterrupt):
            build_arrow(stopped(), tmp_path / "out" / "set", shard_rows=3)
        assert [path.name for path in (tmp_path / "out").iterdir()] == (["set"] if there else [])
        build_arrow(numbered(7), tmp_path / "out" / "set")
    assert len(ArrowExamples(tmp_path / "out" / "set")) == 7


def test_a_killed_writer_leaves_nothing_for_long(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from vistune.data.arrow_build import build_arrow;"
        "from vistune.data.example import Example\n"
        "def rows():\n    yield Example('a', 't'); yield Example('b', 't'); os._exit(9)\n"
        f"build_arrow(rows(), Path({str(tmp_path / 'set')!r}), shard_rows=1)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert not is_built(tmp_path / "set")
    assert len(list(tmp_path.iterdir())) == 1
    build_arrow(numbered(2), tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_other_folders_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"x")
    for place in (tmp_path / "photos", tmp_path / "photos" / "me.jpg"):
        with pytest.raises(StorageError, match="holds something else"):
            build_arrow(numbered(1), place)
    (tmp_path / "empty").mkdir()
    assert len(build_arrow(numbered(1), tmp_path / "empty")) == 1


def test_damaged_sets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no built set in .*; make one with `vistune data build`"):
        ArrowExamples(tmp_path)
    folder = tmp_path / "set"
    build_arrow(numbered(5), folder, shard_rows=3)
    shard = folder / "data-00001-of-00002.arrow"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-8])
    with pytest.raises(DataError, match=f"has {len(whole) - 8} bytes, expected {len(whole)}; copy the set again"):
        ArrowExamples(folder)
    shard.write_bytes(bytes(len(whole)))
    with pytest.raises(DataError, match=r"data-00001-of-00002\.arrow' is damaged"):
        ArrowExamples(folder)[4]
    shard.unlink()
    with pytest.raises(DataError, match="is missing"):
        ArrowExamples(folder)
    (folder / "build.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="built by another version"):
        ArrowExamples(folder)
    (folder / "build.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        ArrowExamples(folder)


def test_opening_costs_the_same_however_long_the_set_is(tmp_path: Path) -> None:
    """A set of 14 million rows: 50,000 rows written once, its shard standing there 280 times over."""
    folder, rows, copies = tmp_path / "set", 50_000, 280
    build_arrow((Example(f"web-{n}", "t", caption=f"a photo of a {n}") for n in range(rows)), folder)
    about = json.loads((folder / "build.json").read_text())
    (shard,) = about["shards"]
    about["shards"] = [{**shard, "file": f"{number}.arrow"} for number in range(copies)]
    for number in range(copies):
        os.link(folder / shard["file"], folder / f"{number}.arrow")
    (folder / "build.json").write_text(json.dumps(about))
    code = (
        "import sys, time; start = time.perf_counter(); from vistune.data.arrow import ArrowExamples;"
        f"rows = ArrowExamples({str(folder)!r}); ids = [rows[n * 1_399_999].id for n in range(11)];"
        "print(len(rows), ids[1], time.perf_counter() - start,"
        " open('/proc/self/status').read().split('VmHWM:')[1].split()[0], 'datasets' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out[:2] == ["14000000", "web-49999"]
    assert float(out[2]) < 10
    assert int(out[3]) < 200_000  # kB
    assert out[4] == "False"


def test_batches_are_opened_once_and_not_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "_OPEN_BATCHES", 2)
    built = build_arrow(numbered(8), tmp_path / "set", shard_rows=2)
    for index in (0, 1, 0, 3, 2):
        built[index]
    assert built._opened.cache_info()[:2] == (3, 2)
    list(built)
    assert built._opened.cache_info().currsize == 2
