"""One's own rows in every form: what comes out, and what is said about rows that do not fit."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vistune.data.archives import ArchiveMember, ImageBytes
from vistune.data.bad_rows import BadRow, OnError, Reason, RowLog
from vistune.data.example import Example
from vistune.data.images import image_bytes, open_image
from vistune.data.own import own_source
from vistune.data.rows import read_rows
from vistune.data.video import VideoFrames
from vistune.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "p").mkdir()
    for name, color in (("r", "red"), ("g", "lime"), ("b", "blue")):
        Image.new("RGB", (4, 4), color).save(tmp_path / "p" / f"{name}.png")
    (tmp_path / "p" / "v.mp4").write_bytes(b"a video")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(
                {key: json.dumps(cell) if isinstance(cell, list) else cell for key, cell in row.items()} for row in rows
            )
    return path


def read(where: Path | str, split: str = "train", **options: Any) -> list[Example]:
    source, files = own_source(where, **options)
    return list(read_rows(source, files, split))


def one(tmp_path: Path, row: dict[str, Any], **options: Any) -> Example:
    (example,) = read(write(tmp_path / "one.jsonl", [row]), **options)
    return example


def bad(tmp_path: Path, row: dict[str, Any], **options: Any) -> BadRow:
    with pytest.raises(BadRow) as caught:
        one(tmp_path, row, **options)
    assert str(caught.value).startswith("one.jsonl, line 1: ")
    return caught.value


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_every_kind_of_file_gives_the_same_examples(tmp_path: Path, suffix: str) -> None:
    rows = [
        {"id": "x1", "image": "p/r.png", "question": "What, exactly?", "answers": ["red", "red", "rot"], "n": 1},
        {"id": "x2", "image": "p/b.png", "question": 'Is it "blue"?', "answers": ["yes"], "n": 2},
    ]
    expected = [
        Example(
            row["id"],
            "mine",
            question=row["question"],
            answers=tuple(row["answers"]),
            references=tuple(row["answers"]),
            images=(tmp_path / row["image"],),
        )
        for row in rows
    ]
    assert read(write(tmp_path / f"mine{suffix}", rows)) == expected


def test_columns_have_other_names(tmp_path: Path) -> None:
    columns = {"image": "file", "instruction": "prompt", "answer": "label"}
    example = one(
        tmp_path, {"file": "p/r.png", "prompt": "Say.", "label": True, "image": "?"}, columns=columns, name="n"
    )
    assert (example.task, example.instruction, example.target) == ("n", "Say.", "yes")
    assert (example.id, example.images) == ("one.jsonl-1", (tmp_path / "p" / "r.png",))
    missing = bad(tmp_path, {"file": "p/r.png", "label": 1}, columns=columns)
    assert (missing.reason, missing.message) == (
        Reason.MISSING_FIELD,
        "there is no column 'prompt' for the instruction, only 'file', 'label'.",
    )
    with pytest.raises(DataError, match="no column of the kind 'picture'; expected one of id, image"):
        own_source(tmp_path / "one.jsonl", columns={"picture": "x"})


def test_several_pictures_videos_and_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "p"
    several = one(tmp_path, {"images": ["p/r.png", "p/g.png"], "question": "?"})
    assert several.images == (folder / "r.png", folder / "g.png")
    assert one(tmp_path, {"image": ["p/r.png", "p/b.png"], "question": "?"}).images == (
        folder / "r.png",
        folder / "b.png",
    )
    video = one(tmp_path, {"video": "p/v.mp4", "question": "?"}, num_frames=3)
    assert video.images == (VideoFrames(folder / "v.mp4", 3),)
    rows = [{"instruction": "Hi?", "answer": "Hello.", "image": None}, {"instruction": "Hi?", "answer": "Ho."}]
    with caplog.at_level(logging.WARNING, "vistune"):
        assert [row.images for row in read(write(tmp_path / "t.jsonl", rows))] == [(), ()]
    assert [record.getMessage()[:45] for record in caplog.records] == ["t.jsonl, line 1 has no picture and is taken a"]


def test_choices_and_their_numbers(tmp_path: Path) -> None:
    row = {"question": "?", "choices": ["blue", "7", "red"]}
    for answer, target in ((2, "red"), ("2", "red"), ("red", "red"), ("7", "7"), (0, "blue")):
        example = one(tmp_path, row | {"answer": answer})
        assert (example.target, example.choices, example.candidates) == (
            target,
            ("blue", "7", "red"),
            ("blue", "7", "red"),
        )
    for answer in (3, -1, "green", "B", 1.5):
        assert bad(tmp_path, row | {"answer": answer}).reason == Reason.UNKNOWN_ANSWER_INDEX


def test_everything_else_a_row_may_say(tmp_path: Path) -> None:
    example = one(
        tmp_path,
        {
            "question": "Q?",
            "answer": ["a", "b"],
            "candidates": ["a", "b", "c"],
            "references": ["a"],
            "context": "hint",
            "ocr_tokens": ["STOP", 4],
            "history": [["q1", "a1"], {"question": "q2", "answer": "a2"}],
            "lecture": "L",
            "rationale": "R",
            "caption": "C",
        },
    )
    assert example == Example(
        "one.jsonl-1",
        "one",
        question="Q?",
        answers=("a", "b"),
        candidates=("a", "b", "c"),
        references=("a",),
        context="hint",
        ocr_tokens=("STOP", "4"),
        history=(("q1", "a1"), ("q2", "a2")),
        lecture="L",
        rationale="R",
        caption="C",
    )
    assert one(tmp_path, {"caption": " A dog. "}).target == "A dog."
    vqa = one(tmp_path, {"question": "?", "answers": [{"answer": "yes", "answer_id": 1}, {"answer": "no"}]})
    assert vqa.answers == ("yes", "no")


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        ({"image": "p/no.png", "question": "?"}, "missing image", "there is no picture 'p/no.png' in "),
        ({"image": "../x.png", "question": "?"}, "path leaves the data root", "has '..' in it"),
        ({"image": "/etc/hostname", "question": "?"}, "path leaves the data root", "leaves the data root"),
        ({"image": 7, "question": "?"}, "missing image", "the column 'image' holds 7, expected the path of a picture."),
        ({"image": "p/r.png"}, "missing field", "no instruction, question, caption or conversation among the columns"),
        ({"question": {"a": 1}}, "missing field", "the column 'question' holds {'a': 1}, expected text."),
        ({"question": "?", "answer": " "}, "empty answer", "the column 'answer' has an empty answer"),
        ({"question": "?", "answer": None}, "empty answer", "the column 'answer' is empty"),
        ({"question": "?", "answer": math.nan}, "empty answer", "the column 'answer' is empty"),
        ({"question": "?", "answers": []}, "empty answer", "the column 'answers' has an empty answer"),
        ({"question": "?", "answers": '["a"'}, "bad JSON", "which is no JSON list"),
        ({"question": "?", "history": ["a"]}, "missing field", "expected [question, answer]"),
        ({"conversations": "hi"}, "missing field", "conversations"),
        ({"conversations": []}, "empty answer", "nothing in the conversation is answered"),
        ([1], "bad JSON", "this is a list, expected an object with columns."),
    ],
)
def test_rows_that_do_not_fit(tmp_path: Path, row: Any, reason: str, message: str) -> None:
    found = bad(tmp_path, row)
    assert found.reason == reason
    assert message in found.message


def test_llava_conversations(tmp_path: Path) -> None:
    rows = [
        {
            "id": "7",
            "image": "p/r.png",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat colour?"},
                {"from": "gpt", "value": "Red."},
                {"from": "human", "value": "Sure?"},
                {"from": "gpt", "value": "Yes."},
            ],
        },
        {
            "id": "7",
            "image": "p/r.png",
            "conversations": [{"from": "human", "value": "A"}, {"from": "gpt", "value": "B"}],
        },
        {"conversations": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
    ]
    first, second, text = read(write(tmp_path / "chat.json", rows))
    assert first.turns == (("<image>\nWhat colour?", "Red."), ("Sure?", "Yes."))
    assert (first.id, second.id) == ("7-1", "7-2")
    assert first.images == second.images == (tmp_path / "p" / "r.png",)
    assert second.turns == (("<image>\nA", "B"),)
    assert (text.turns, text.images) == ((("Hi", "Ho"),), ())


def test_pictures_are_somewhere_else(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    path = write(tmp_path / "rows" / "a.jsonl", [{"image": "r.png", "question": "?"}])
    assert read(path, images=tmp_path / "p")[0].images == (tmp_path / "p" / "r.png",)
    with pytest.raises(BadRow, match="there is no picture"):
        read(path)


def test_folders_of_splits(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, count in (("train-00000-of-00002", 2), ("train-00001-of-00002", 1), ("test", 1)):
        write(folder / f"{name}.parquet", [{"question": f"{name} {number}"} for number in range(count)])
    source, _ = own_source(folder)
    assert dict(source.info.splits) == {"test": None, "train": None}
    assert (source.info.train_split, source.info.eval_split) == ("train", "test")
    assert [row.question[-3:] for row in read(folder)] == ["2 0", "2 1", "2 0"]
    assert len(read(folder, "test")) == 1
    with pytest.raises(DataError, match=r"has no split 'val'; expected test or train"):
        read(folder, "val")


def test_of_several_files_none_is_chosen_for_the_person(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "colours.jsonl", [{"question": "?"}])
    assert own_source(folder)[0].info.train_split == "colours"
    write(folder / "shapes.jsonl", [{"question": "?"}])
    assert own_source(folder)[0].info.train_split is None
    with pytest.raises(DataError, match=r"has no split 'train'; expected colours or shapes"):
        read(folder)


def test_webdataset_shards(tmp_path: Path) -> None:
    png = (tmp_path / "p" / "r.png").read_bytes()
    members = {
        "000.png": png,
        "000.txt": b" a red square ",
        "sub/001.png": png,
        "sub/001.json": json.dumps({"question": "What?", "answer": "red", "image": "http://gone"}).encode(),
        "002.json": b"{",
        "003.json": b'{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}',
        "004.0.png": png,
        "004.1.png": png,
        "004.json": b'{"question": "Same?"}',
    }
    folder = tmp_path / "web"
    folder.mkdir()
    for shard in range(2):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(f"{shard}{name}" if "/" not in name else name.replace("/", f"/{shard}"))
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    source, files = own_source(folder)
    log = RowLog(OnError("skip", 1))
    rows = list(read_rows(source, files, "train", log=log))
    # A conversation's id names what it is about; the rows about it are counted.
    assert [row.id for row in rows[:4]] == ["0000", "sub/0001", "0003-4", "0004"]
    assert [row.id for row in rows[4:]] == ["1000", "sub/1001", "1003-4", "1004"]
    assert (rows[0].target, rows[0].caption) == ("a red square", "a red square")
    assert (rows[1].question, rows[1].target, rows[2].turns) == ("What?", "red", (("Hi", "Ho"),))
    assert [len(row.images) for row in rows[:4]] == [1, 1, 0, 2]
    assert isinstance(rows[5].images[0], ArchiveMember)
    assert image_bytes(rows[5].images[0]) == png
    assert [str(row.place) for row in log.bad] == ["00000.tar, record 3", "00001.tar, record 3"]
    assert log.bad[0].reason == Reason.BAD_JSON


def test_hub_sets_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "images": datasets.List(datasets.Image()),
            "question": datasets.Value("string"),
            "answer": datasets.ClassLabel(names=["no", "yes"]),
        }
    )
    red = tmp_path / "p" / "r.png"
    rows = [
        {"image": str(red), "images": [], "question": "Red?", "answer": 1},
        {
            "image": {"bytes": red.read_bytes(), "path": None},
            "images": [str(red)] * 2,
            "question": "Blue?",
            "answer": 0,
        },
        {"image": Image.new("RGB", (4, 4), "lime"), "images": [], "question": "Green?", "answer": 1},
    ]
    made = datasets.Dataset.from_list(rows, features=features)
    made.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": made, "test": made.select([0])}).save_to_disk(str(tmp_path / "both"))
    made.to_parquet(str(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet"))
    for where in (tmp_path / "one", tmp_path / "both", f"hub:{tmp_path / 'hub'}"):
        found = read(where, images=tmp_path)
        assert [(row.question, row.target) for row in found] == [("Red?", "yes"), ("Blue?", "no"), ("Green?", "yes")]
        assert [len(row.images) for row in found] == [1, 3, 1]
        assert isinstance(found[1].images[0], ImageBytes)
        assert [open_image(row.images[0]).getpixel((1, 1)) for row in found] == [(255, 0, 0), (255, 0, 0), (0, 255, 0)]
    assert len(read(tmp_path / "both", "test", images=tmp_path)) == 1
    with pytest.raises(DataError, match="has no split 'val'; expected train or test"):
        read(tmp_path / "both", "val")
    with pytest.raises(DataError, match=r"'nobody/nothing' cannot be opened"):
        read("hub:nobody/nothing")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file or folder 'gone\.jsonl'"):
        own_source("gone.jsonl")
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.xlsx' is of no kind that can be read; expected jsonl, json, csv"):
        own_source(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="has no data; expected files of the kinds jsonl"):
        own_source(tmp_path / "p")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the pictures in ../shared/data")
@pytest.mark.parametrize(
    ("name", "columns", "count"),
    [
        ("easy_vqa/test.jsonl", {}, 9673),
        ("coco_open/vqav2.jsonl", {"image": "image_file"}, None),
        ("coco_open/captions.jsonl", {"image": "image_file"}, None),
    ],
)
def test_real_rows(name: str, columns: dict[str, str], count: int | None) -> None:
    lines = sum(1 for line in (SHARED / name).open() if line.strip())
    rows = read(SHARED / name, columns=columns)
    assert len(rows) == lines == (count or lines)
    assert open_image(rows[0].images[0]).mode == "RGB"
    assert all(row.target or row.answers for row in rows)
