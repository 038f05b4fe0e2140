"""People's own data: a folder of pictures and jsonl rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.tiny import picture

from vistune.data.sources.table import read_table
from vistune.errors import DataError


def write(folder: Path, name: str, rows: list[object], pictures: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(pictures):
        picture(number).save(folder / f"{number}.png")
    (folder / name).write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return folder


def row(number: int = 0, **other: object) -> dict[str, object]:
    return {"image": f"{number % 3}.png", "question": "What is it?", "answer": "red", **other}


def test_train_and_test_files(tmp_path: Path) -> None:
    write(tmp_path, "train.jsonl", [row(0), row(1, answer=3), row(2, answer=True), row(1, answer=3)])
    write(tmp_path, "test.jsonl", [row(2)])
    table = read_table(tmp_path, task="t")
    assert [example.target for example in table.train] == ["red", "3", "yes", "3"]
    assert table.answers() == {"3": 2, "red": 1, "yes": 1}
    assert table.test[0].images == (tmp_path / "2.png",)
    assert table.test[0].task == "t"


def test_columns_can_be_named(tmp_path: Path) -> None:
    rows = [{"file": "0.png", "q": "Why?", "a": "so"}]
    write(tmp_path, "train.jsonl", rows)
    write(tmp_path, "test.jsonl", rows)
    assert read_table(tmp_path, {"image": "file", "question": "q", "answer": "a"}).train[0].instruction == "Why?"
    with pytest.raises(DataError, match="Unknown columns"):
        read_table(tmp_path, {"picture": "file"})


def test_one_file_is_parted_by_picture_the_same_way_every_time(tmp_path: Path) -> None:
    for number in range(60):
        picture(0).save(tmp_path / f"p{number}.png")
    (tmp_path / "all.jsonl").write_text(
        "".join(json.dumps(row(image=f"p{number % 60}.png")) + "\n" for number in range(180))
    )
    table = read_table(tmp_path)
    train, test = ({example.images for example in rows} for rows in (table.train, table.test))
    assert not train & test
    assert 4 <= len(test) <= 22
    assert len(table.train) == 3 * len(train)
    assert read_table(tmp_path) == table
    assert "parted by picture" in table.split


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(), "{not json"], "train.jsonl, line 2: this is no JSON"),
        ([row(), "[1]"], "line 2: this is a list, expected an object"),
        ([{"image": "0.png", "text": "?", "answer": "a"}], "line 1: there is no column 'question' for the question"),
        ([row(), row(answer="  ")], "line 2: the answer in column 'answer' is '  '"),
        ([row(answer=None)], "the answer in column 'answer' is None"),
        ([row(image="gone.png")], "line 1: there is no picture 'gone.png' in"),
        (["", ""], "gives no training rows"),
    ],
)
def test_wrong_rows_are_named_by_their_line(rows: list[object], message: str, tmp_path: Path) -> None:
    write(tmp_path, "train.jsonl", rows)
    write(tmp_path, "test.jsonl", [row()])
    with pytest.raises(DataError, match=re.escape(message)):
        read_table(tmp_path)


def test_folders_without_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        read_table(tmp_path / "gone")
    with pytest.raises(DataError, match="has no jsonl file; expected"):
        read_table(tmp_path)
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path, name, [row()])
    with pytest.raises(DataError, match=r"has a.jsonl, b.jsonl; expected"):
        read_table(tmp_path)
