"""`vistune demo --data` with a folder that cannot work: one sentence before anything is trained or written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure
from tests.tiny import picture


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def own_data(folder: Path, rows: list[dict[str, str]]) -> Path:
    folder.mkdir()
    picture(1).save(folder / "1.png")
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


ROW = {"image": "1.png", "question": "Is it red?", "answer": "yes"}


def test_no_such_folder(tmp_path: Path, out: Path) -> None:
    assert str(tmp_path / "nothing") in failure("demo", "--data", tmp_path / "nothing", "--out", out, code=1)
    assert not out.exists()


def test_no_rows(tmp_path: Path, out: Path) -> None:
    assert "jsonl" in failure("demo", "--data", tmp_path, "--out", out, code=1)


def test_unknown_column(tmp_path: Path, out: Path) -> None:
    data = own_data(tmp_path / "data", [ROW])
    sentence = failure("demo", "--data", data, "--out", out, "--answer-column", "label", code=1)
    assert "'label'" in sentence
    assert "--answer-column" in sentence


def test_row_that_does_not_parse(tmp_path: Path, out: Path) -> None:
    data = own_data(tmp_path / "data", [ROW])
    with (data / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"image": "1.png", \n')
    sentence = failure("demo", "--data", data, "--out", out, code=1)
    assert "train.jsonl" in sentence
    assert "2" in sentence


def test_picture_that_is_not_there(tmp_path: Path, out: Path) -> None:
    data = own_data(tmp_path / "data", [ROW, {**ROW, "image": "2.png"}])
    assert "2.png" in failure("demo", "--data", data, "--out", out, code=1)


@pytest.mark.parametrize("seed", [-1, 2**40])
def test_seed_out_of_range(out: Path, seed: int) -> None:
    assert str(seed) in failure("demo", "--out", out, "--seed", seed, code=2)
