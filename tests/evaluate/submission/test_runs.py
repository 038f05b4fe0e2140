"""`vistune eval --submission` on every split without public answers: whole files, and no figure of another split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from tests.cli.commands import failure, vistune
from tests.evaluate.benchmarks.whole import write_release

from vistune.evaluate.benchmarks import BENCHMARKS, benchmark, published

HIDDEN = sorted(name for name, item in BENCHMARKS.items() if not item.public_answers)
# Where the papers' own figures are of the hidden split itself.
SCORED_BY_SERVERS = {"vizwiz", "vqav2", "aokvqa_da_test", "aokvqa_mc_test"}
OF_VAL = {"nocaps_test": "nocaps", "mmbench": "mmbench_dev", "textcaps_test": "textcaps"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny releases, with two questions of VQAv2 of which one is in test-dev."""
    root = tmp_path_factory.mktemp("data")
    for name in HIDDEN:
        write_release(benchmark(name), root)
    path = root / "vqav2" / "v2_OpenEnded_mscoco_test2015_questions.json"
    content = json.loads(path.read_text())
    content["questions"].append({**content["questions"][0], "question_id": 1001})
    path.write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def run(root: Path, tiny_checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    chosen = [part for name in HIDDEN for part in ("--benchmark", name)]
    model = tiny_checkpoints["instructblip-t5"]
    outcome = vistune("eval", model, *chosen, "--data-root", root, "--out", out, "--submission")
    assert outcome.code == 0, outcome.err
    for name in HIDDEN:
        assert f"{name} [instructblip]: no public answers; official file: {out}/submissions/" in outcome.out
    return out


def official(run: Path, name: str) -> Any:
    return json.loads((run / "submissions" / name).read_text(encoding="utf-8"))


def entries(run: Path) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in json.loads((run / "results.json").read_text())["benchmarks"]}


def test_no_figure_stands_where_no_answers_are(run: Path) -> None:
    found = entries(run)
    assert sorted(found) == HIDDEN
    for name, entry in found.items():
        assert (entry["value"], entry["interval"], entry["note"]) == (None, None, "no public answers"), name
        assert entry["details"] == {} and entry["public_answers"] is False
        assert (run / entry["submission"]).is_file()
        assert (len(entry["published"]) > 0) == (name in SCORED_BY_SERVERS), name
    for name, other in OF_VAL.items():
        assert published(name) == [] and benchmark(other).public_answers
    for page in ("report.html", "results.md"):
        text = (run / page).read_text()
        assert text.count("no public answers") >= len(HIDDEN), page


def test_the_files_hold_every_id(run: Path, root: Path) -> None:
    answers = {
        name: [json.loads(line) for line in (run / name / "rows.jsonl").read_text().splitlines()] for name in HIDDEN
    }
    asked = official(run, "vqav2-test-dev.json")
    assert [row["question_id"] for row in asked] == [1000, 1001]
    assert all(set(row) == {"question_id", "answer"} for row in asked) and asked[1]["answer"] == ""
    (row,) = official(run, "vizwiz-test.json")
    assert set(row) == {"image", "answer"} and row["image"] == "VizWiz_test_00000001.jpg"
    both = official(run, "aokvqa-test.json")
    assert list(both) == [row["id"] for row in answers["aokvqa_mc_test"]]
    (said,) = both.values()
    assert said == {
        "multiple_choice": answers["aokvqa_mc_test"][0]["answer"],
        "direct_answer": answers["aokvqa_da_test"][0]["answer"],
    }
    for name, number in (("nocaps-test.json", "nocaps_test"), ("textcaps-test.json", "textcaps_test")):
        captions = official(run, name)
        assert [str(row["image_id"]) for row in captions] == [row["id"] for row in answers[number]]
        assert [row["caption"] for row in captions] == [row["answer"] for row in answers[number]]
    head, *rows = openpyxl.load_workbook(run / "submissions" / "mmbench-test.xlsx").active.iter_rows(values_only=True)
    assert [str(row[0]) for row in rows] == [row["id"] for row in answers["mmbench"]]
    assert all(row[head.index("prediction")] in ("A", "B", "C", "D") for row in rows)


@pytest.mark.parametrize("more", [("--limit", 1), ("--shuffle",)])
def test_no_part_of_a_split_is_submitted(
    more: tuple[object, ...], root: Path, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    model = tiny_checkpoints["instructblip-t5"]
    arguments = ("--benchmark", "nocaps_test", "--data-root", root, "--out", tmp_path / "out", "--submission")
    assert "--submission needs every row in order" in failure("eval", model, *arguments, *more, code=2)
    assert not (tmp_path / "out").exists()


def test_answers_from_a_file_are_submitted_whole_or_not_at_all(root: Path, tmp_path: Path) -> None:
    ids = [row.id for row in benchmark("mmbench").examples(root)]
    file, out = tmp_path / "answers.jsonl", tmp_path / "out"
    arguments = ("--benchmark", "mmbench", "--data-root", root, "--out", out, "--predictions", file, "--submission")
    file.write_text("".join(json.dumps({"id": name, "answer": "(b)"}) + "\n" for name in ids[:-1]))
    assert "1000007" in failure("eval", "theirs", *arguments, code=1)
    assert not (out / "submissions").exists()
    file.write_text("".join(json.dumps({"id": name, "answer": "(b)"}) + "\n" for name in ids))
    outcome = vistune("eval", "theirs", *arguments)
    assert outcome.code == 0, outcome.err
    _, *rows = openpyxl.load_workbook(out / "submissions" / "mmbench-test.xlsx").active.iter_rows(values_only=True)
    assert [row[6] for row in rows] == ["B"] * 5
