"""`vistune benchmarks`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune
from tests.evaluate.benchmarks.whole import write_release

from vistune.evaluate.benchmarks import BENCHMARKS, SUITES, benchmark


@pytest.fixture(autouse=True)
def no_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISTUNE_DATA_ROOT", raising=False)


def test_as_json_without_a_data_root() -> None:
    rows = {row["name"]: row for row in json.loads(vistune("benchmarks", "--json").out)}
    assert list(rows) == list(BENCHMARKS)
    assert rows["vsr"]["there"] is None and rows["vsr"]["missing"] == []
    assert rows["vsr"]["needs"][0].startswith("vsr/test.jsonl or vsr/zeroshot/test.jsonl")
    assert rows["world_count"]["there"] is True and rows["world_count"]["needs"] == []
    assert rows["vizwiz"]["public_answers"] is False and rows["vizwiz"]["submission"] == "vizwiz"
    assert "instructblip-held-out" in rows["gqa"]["suites"] and "llava-1.5" in rows["gqa"]["suites"]


def test_what_is_there_and_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(benchmark("vsr"), tmp_path)
    rows = {row["name"]: row for row in json.loads(vistune("benchmarks", "--data-root", tmp_path, "--json").out)}
    assert rows["vsr"]["there"] is True and rows["vsr"]["missing"] == []
    assert rows["gqa"]["there"] is False
    assert rows["gqa"]["missing"][1] == "gqa/images"
    monkeypatch.setenv("VISTUNE_DATA_ROOT", str(tmp_path))
    assert {row["name"]: row for row in json.loads(vistune("benchmarks", "--json").out)} == rows


def test_answers_that_are_ranked_are_needed_too(tmp_path: Path) -> None:
    """A list of them, or the training split that they are in."""
    write_release(benchmark("msvd_qa"), tmp_path)

    def missing() -> list[str]:
        rows = {row["name"]: row for row in json.loads(vistune("benchmarks", "--data-root", tmp_path, "--json").out)}
        found: list[str] = rows["msvd_qa"]["missing"]
        return found

    assert missing() == []
    (tmp_path / "msvd_qa" / "answers.txt").unlink()
    assert missing() == []
    (tmp_path / "msvd_qa" / "train_qa.json").unlink()
    [told] = missing()
    assert "msvd_qa/answers.txt" in told.split(" or ") and "msvd_qa/train_qa.json" in told.split(" or ")
    said = failure("eval", tmp_path, "--benchmark", "msvd_qa", "--data-root", tmp_path, code=1)
    assert "msvd_qa lacks msvd_qa/answers.txt or" in said


def test_as_a_table(tmp_path: Path) -> None:
    write_release(benchmark("vsr"), tmp_path)
    lines = vistune("benchmarks", "--data-root", tmp_path).out.splitlines()
    assert lines[0].split() == ["NAME", "METRIC", "ANSWERED", "BY", "SPLIT", "DATA"]
    (vsr,) = (line for line in lines if line.startswith("vsr "))
    assert vsr.split() == ["vsr", "verdict", "generation", "test", "there"]
    (world,) = (line for line in lines if line.startswith("world_count "))
    assert world.endswith("made, no download")
    (mme,) = (line for line in lines if line.startswith("mme "))
    assert mme.endswith("missing: mme/existence, mme/count, mme/position and 11 more")
    (hidden,) = (line for line in lines if line.startswith("vizwiz "))
    assert "no public answers" in hidden and hidden.endswith("missing: vizwiz/test.json, vizwiz/test")
    assert lines[-len(SUITES) :][0].startswith("  instructblip-held-out: nocaps, flickr30k, gqa")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "There is no data folder" in failure("benchmarks", "--data-root", tmp_path / "nothing", code=1)


def test_a_folder_without_pictures_is_missing(tmp_path: Path) -> None:
    (tmp_path / "gqa" / "images").mkdir(parents=True)
    assert "gqa/images" in benchmark("gqa").missing(tmp_path)
    (tmp_path / "gqa" / "images" / "1.jpg").touch()
    assert "gqa/images" not in benchmark("gqa").missing(tmp_path)
