"""`vistune data list` and `vistune data check`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.commands import failure, vistune
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer

from vistune.data.catalogue import SOURCES


def test_list_as_json() -> None:
    outcome = vistune("data", "list", "--json")
    assert outcome.code == 0
    rows = json.loads(outcome.out)
    assert [row["name"] for row in rows] == list(SOURCES)
    assert all({"name", "group", "role", "splits", "metric", "licence", "url"} <= set(row) for row in rows)
    assert {row["role"] for row in rows} == {"held-in", "held-out", "extra"}
    assert sum(row["role"] != "extra" for row in rows) == 26
    by_name = {row["name"]: row for row in rows}
    assert by_name["vqav2"]["splits"]["train"] == 443_757


def test_list_as_a_table() -> None:
    lines = vistune("data", "list").out.splitlines()
    assert len(lines) == 1 + len(SOURCES)
    assert lines[0].split() == ["NAME", "GROUP", "ROLE", "METRIC", "SPLITS"]
    (line,) = (line for line in lines if line.startswith("web_capfilt "))
    assert line.endswith("train ~14,000,000")


def test_check_of_a_whole_and_of_a_broken_set(tmp_path: Path) -> None:
    RELEASES["llava_detail"](Writer(tmp_path))
    whole = vistune("data", "check", "llava_detail", "--data-root", tmp_path)
    assert whole.code == 0, whole
    assert "train: 2 rows, 1 picture opened" in whole.out
    assert "note: train: 2 rows, the release has 23,000 (in round figures)" in whole.out
    assert whole.out.splitlines()[-1] == "llava_detail is whole"
    (tmp_path / "coco/train2017/000000033471.jpg").unlink()
    broken = vistune("data", "check", "llava_detail", "--data-root", tmp_path)
    assert broken.code == 1
    assert "problem: train: rows that cannot be used: 2 missing image" in broken.out
    assert "get it from https://huggingface.co" in broken.out.splitlines()[-1]


def test_check_as_json(tmp_path: Path) -> None:
    outcome = vistune("data", "check", "okvqa", "--data-root", tmp_path, "--json")
    report = json.loads(outcome.out)
    assert outcome.code == 1
    assert report["ok"] is False and report["name"] == "okvqa"
    assert report["splits"]["train"]["expected"] == 9_009
    (looked, _) = report["splits"]["train"]["missing"]
    assert looked == [str(tmp_path / "okvqa/OpenEnded_mscoco_train2014_questions.json")]
    RELEASES["okvqa"](Writer(tmp_path))
    report = json.loads(vistune("data", "check", "okvqa", "--data-root", tmp_path, "--json", "--split", "val").out)
    assert report["problems"] == ["val: 1 row, the release has 5,046"]


def test_wrong_usage(tmp_path: Path) -> None:
    assert "did you mean 'okvqa'?" in failure("data", "check", "okvqaa", "--data-root", tmp_path, code=2)
    sentence = failure("data", "check", "okvqa", "--data-root", tmp_path / "gone", code=1)
    assert str(tmp_path / "gone") in sentence
    sentence = failure("data", "check", "okvqa", "--data-root", tmp_path, "--split", "tset", code=1)
    assert "okvqa has no split 'tset'" in sentence
    assert vistune("data", "check", "okvqa").code == 2


def test_answers_to_rank_are_written_where_they_are_read(tmp_path: Path) -> None:
    RELEASES["msvd_qa"](Writer(tmp_path))
    answers = tmp_path / "msvd_qa" / "answers.txt"
    outcome = vistune("data", "answers", "msvd_qa", "--data-root", tmp_path)
    assert outcome.code == 0, outcome
    assert outcome.out == f"2 answers of train written to {answers}\n"
    assert outcome.err.startswith("note: 2,423 are ranked in published results")
    assert answers.read_text() == "man\ncat\n"
    more = ("data", "answers", "msvd_qa", "--data-root", tmp_path, "--split", "train", "--split", "val")
    assert vistune(*more).out.startswith("3 answers of train, val written to ")
    data = SOURCES["msvd_qa"]()
    assert data.candidates(data.files(tmp_path)) == ("man", "cat", "someone")


def test_answers_that_cannot_be_listed(tmp_path: Path) -> None:
    RELEASES["msvd_qa"](Writer(tmp_path))
    command = ("data", "answers", "--data-root", tmp_path)
    assert "expected msvd_qa or msrvtt_qa" in failure(*command, "okvqa", code=2)
    assert "no split 'dev'" in failure(*command, "msvd_qa", "--split", "dev", code=1)
    assert "An annotation file is missing" in failure(*command, "msrvtt_qa", code=1)
    (tmp_path / "msvd_qa" / "train_qa.json").write_text("[]")
    assert "There are no answers to write" in failure(*command, "msvd_qa", code=1)
