"""Bad rows: named by file and line, or left out, counted and listed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vistune.data.bad_rows import BadRow, OnError, Place, Reason, RowLog, field_of
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_jsonl
from vistune.data.rows import read_rows
from vistune.data.seen import SeenIds
from vistune.data.sources.base import Rows, SetInfo, Source, choice_at
from vistune.errors import DataError

GOOD = {"id": "good", "image": "ok.png", "choices": ["a", "b"], "answer": 1}
BAD: dict[Reason, bytes] = {
    Reason.MISSING_IMAGE: json.dumps(GOOD | {"id": "1", "image": "gone.png"}).encode(),
    Reason.BROKEN_IMAGE: json.dumps(GOOD | {"id": "2", "image": "broken.png"}).encode(),
    Reason.EMPTY_ANSWER: json.dumps(GOOD | {"id": "3", "choices": ["a", "  "]}).encode(),
    Reason.UNKNOWN_ANSWER_INDEX: json.dumps(GOOD | {"id": "4", "answer": 2}).encode(),
    Reason.DUPLICATE_ID: json.dumps(GOOD).encode(),
    Reason.INVALID_UTF8: b'{"id": "\xff"}',
    Reason.PATH_LEAVES_ROOT: json.dumps(GOOD | {"id": "5", "image": "../ok.png"}).encode(),
    Reason.MISSING_FIELD: json.dumps({"id": "6", "image": "ok.png", "answer": 0}).encode(),
    Reason.BAD_JSON: b'{"id": ',
}


class Choices(Source):
    """Rows as above."""

    info = SetInfo("choices")

    def records(self, files: Files, split: str) -> Rows:
        return read_jsonl(files.annotation(f"{split}.jsonl"))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        answer = choice_at(field_of(record, "choices", list), record["answer"])
        yield Example(record["id"], "choices", target=answer, images=(files.image(record["image"]),))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    Image.new("RGB", (4, 4)).save(tmp_path / "ok.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "ok.png").read_bytes()[:40])
    return Files(tmp_path)


def write(files: Files, *lines: bytes) -> None:
    (files.root / "train.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def test_every_reason_is_tested() -> None:
    assert set(BAD) == set(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_bad_row_is_named_by_file_and_line(files: Files, reason: Reason) -> None:
    write(files, json.dumps(GOOD).encode(), b"", BAD[reason])
    with pytest.raises(BadRow) as caught:
        list(read_rows(Choices(), files, "train", check_images=True))
    assert caught.value.reason == reason
    assert str(caught.value).startswith("train.jsonl, line 3: ")
    assert str(caught.value).endswith(".")
    assert pickle.loads(pickle.dumps(caught.value)).place == Place("train.jsonl", 3, 1)


def test_bad_rows_are_left_out_counted_and_listed(files: Files, tmp_path: Path) -> None:
    write(files, json.dumps(GOOD).encode(), *BAD.values(), json.dumps(GOOD | {"id": "last"}).encode())
    log = RowLog(OnError("skip", max_share=0.9))
    rows = list(read_rows(Choices(), files, "train", log=log, check_images=True))
    assert [row.id for row in rows] == ["good", "last"]
    assert log.counts() == {str(reason): 1 for reason in Reason}
    assert log.seen == 11
    assert log.summary().startswith("9 of 11 rows left out (1 ")
    log.write(tmp_path / "run" / "left_out.jsonl")
    listed = [json.loads(line) for line in (tmp_path / "run" / "left_out.jsonl").read_text().splitlines()]
    assert [entry["reason"] for entry in listed] == list(BAD)
    assert [entry["place"] for entry in listed] == [f"train.jsonl, line {line}" for line in range(2, 11)]


def test_pictures_are_opened_only_if_asked(files: Files) -> None:
    write(files, BAD[Reason.BROKEN_IMAGE])
    assert len(list(read_rows(Choices(), files, "train"))) == 1


@pytest.mark.parametrize(("bad", "rows", "read"), [(1, 100, 99), (2, 100, None), (11, 3000, None), (30, 3000, 2970)])
def test_too_many_stop_the_reading(files: Files, bad: int, rows: int, read: int | None) -> None:
    lines = [json.dumps(GOOD | {"id": str(number)}).encode() for number in range(rows)]
    if read is None and rows > 1000:
        # All at the beginning: over the share when the 1000th row is reached, not only at the end.
        lines[:bad], lines[1200] = [b"{"] * bad, b"{"
    else:
        lines[::-1] = [b"{" if number < bad else line for number, line in enumerate(lines)]
    write(files, *lines)
    reading = read_rows(Choices(), files, "train", OnError("skip", 0.01 if rows != 3000 or read else 0.0095))
    if read is not None:
        assert len(list(reading)) == read
        return
    rows_read: list[Example] = []
    with pytest.raises(DataError, match=r"rows are bad, more than .* bad JSON; the first: train\.jsonl, line"):
        rows_read.extend(reading)
    assert len(rows_read) < 1200


def test_few_rows_are_judged_at_the_end_only(files: Files) -> None:
    write(files, b"{", *(json.dumps(GOOD | {"id": str(number)}).encode() for number in range(150)))
    assert len(list(read_rows(Choices(), files, "train", OnError("skip")))) == 150


@pytest.mark.parametrize(
    ("example", "bad"),
    [
        (Example("1", "t", target=None), False),
        (Example("1", "t", answers=("a", " ")), True),
        (Example("1", "t", turns=(("q", "a"), ("q", ""))), True),
        (Example("1", "t", target="a", answers=("b",)), False),
    ],
)
def test_empty_answers(files: Files, monkeypatch: pytest.MonkeyPatch, example: Example, bad: bool) -> None:
    monkeypatch.setattr(Choices, "examples", lambda *arguments: iter([example]))
    write(files, b"{}")
    log = RowLog(OnError("skip", 1))
    assert len(list(read_rows(Choices(), files, "train", log=log))) == (not bad)
    assert log.counts() == ({"empty answer": 1} if bad else {})


def test_seen_ids_are_exact_and_small() -> None:
    seen = SeenIds()
    names = [f"id {number}" for number in range(30_000)]
    assert all(seen.add(name) for name in names)
    assert not any(seen.add(name) for name in names)
    assert len(seen) == 30_000
    assert seen.add("")
    assert len(seen._table) * 8 < 30_000 * 24
