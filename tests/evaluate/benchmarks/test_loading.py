"""Rows of benchmarks: limits, shuffling, what stays together, built sets; and real rows made by others."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.releases.writing import VQA_HEAD, Writer
from tests.evaluate.benchmarks.whole import write_release
from tests.evaluate.metrics.truth import FOLDER, needs_truth

from vistune.data.arrow_build import build_arrow
from vistune.data.images import open_images
from vistune.data.recipe_sets import built_place
from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks import Given, benchmark
from vistune.evaluate.protocols import protocol

needs_photographs = pytest.mark.skipif(
    not (FOLDER / "coco_open").is_dir(), reason="needs the photographs in ../shared/data/coco_open"
)


def rows_of(name: str) -> list[dict]:  # type: ignore[type-arg]
    lines = (FOLDER / "coco_open" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_limit_keeps_pairs_and_rounds_together(tmp_path: Path) -> None:
    mme = benchmark("mme")
    write_release(mme, tmp_path)
    assert [row.id for row in mme.examples(tmp_path, limit=3)] == [
        f"{task}/0001/{n}" for task in ("existence", "count") for n in (1, 2)
    ]
    shuffled = mme.examples(tmp_path, limit=6, shuffle=True, seed=1)
    assert len(shuffled) == 6
    assert [row.id[-1] for row in shuffled] == ["1", "2"] * 3
    assert shuffled == mme.examples(tmp_path, limit=6, shuffle=True, seed=1)
    assert shuffled != mme.examples(tmp_path, limit=6, shuffle=True, seed=2)
    mmbench = benchmark("mmbench_dev")
    write_release(mmbench, tmp_path)
    assert [row.id for row in mmbench.examples(tmp_path, limit=1)] == ["241", "1000241", "2000241"]
    assert len(mmbench.examples(tmp_path)) == 5
    with pytest.raises(InputError, match="limit is 0"):
        mme.examples(tmp_path, limit=0)


def test_shuffling_loses_no_row() -> None:
    item = benchmark("world_place")
    every = item.examples(None)
    shuffled = item.examples(None, shuffle=True)
    assert [row.id for row in every] != [row.id for row in shuffled]
    assert {row.id for row in every} == {row.id for row in shuffled}
    assert item.examples(None, limit=7) == every[:7]


def test_one_list_of_answers_is_shared_by_all_rows(tmp_path: Path) -> None:
    item = benchmark("msvd_qa")
    root = write_release(item, tmp_path)
    (row,) = item.examples(root)
    assert row.candidates == ("someone", "couch", "man")
    (tmp_path / "msvd_qa" / "answers.txt").unlink()
    # Else those of the training split.
    assert item.examples(root)[0].candidates == ("man", "cat")
    (tmp_path / "msvd_qa" / "train_qa.json").unlink()
    with pytest.raises(DataError, match=r"neither answers.txt in .* nor .*train_qa.json"):
        item.examples(root)


def test_a_row_that_cannot_be_used_stops_the_benchmark(tmp_path: Path) -> None:
    item = benchmark("vsr")
    root = write_release(item, tmp_path)
    (root / "vsr" / "images" / "000000372029.jpg").unlink()
    with pytest.raises(DataError, match="there is no picture '000000372029"):
        item.examples(root)


def test_a_built_set_gives_the_same_rows(tmp_path: Path) -> None:
    item = benchmark("gqa")
    root = write_release(item, tmp_path)
    read = item.examples(root)
    build_arrow(read, built_place(root, "gqa", "testdev"), root=root)
    for path in (root / "gqa").rglob("*.json"):
        path.unlink()
    assert item.missing(root) == []
    assert item.examples(root) == read


def test_questions_too_difficult_for_direct_answers_are_not_scored(tmp_path: Path) -> None:
    """eval_predictions.py of allenai/aokvqa: without them where direct answers are scored, with them for choices."""
    item, test = benchmark("aokvqa_da"), benchmark("aokvqa_da_test")
    root = write_release(item, tmp_path)
    for split in ("val", "test"):
        path = root / "aokvqa" / f"aokvqa_v1p0_{split}.json"
        (row,) = json.loads(path.read_text())
        path.write_text(json.dumps([row, {**row, "question_id": "hard", "difficult_direct_answer": True}]))
    assert [row.id for row in item.examples(root)] == ["22MexNkBPpdZGX6sxbxVBH"]
    choices = benchmark("aokvqa_mc").examples(root)
    assert [row.id for row in choices] == [row.id for row in test.examples(root)] == ["22MexNkBPpdZGX6sxbxVBH", "hard"]
    score = benchmark("aokvqa_mc").score(choices, [Given("cab"), Given("train")])
    assert score.value == 50 and score.details["parts"] == {"difficult direct answer": {"value": 0.0, "n": 1}}


@needs_photographs
def test_real_rows_of_pope_vqav2_and_vsr(tmp_path: Path) -> None:
    write = Writer(tmp_path)
    (tmp_path / "coco").mkdir()
    for row in rows_of("images"):
        place = tmp_path / "coco" / row["split"] / Path(row["image"]).name
        place.parent.mkdir(exist_ok=True)
        shutil.copy(FOLDER / "coco_open" / row["image"], place)
    for category in ("random", "popular", "adversarial"):
        write.jsonl(f"pope/coco_pope_{category}.json", [row for row in rows_of("pope") if row["category"] == category])
    questions = [{**row, "question_id": int(row["question_id"])} for row in rows_of("vqav2")]
    write.json("vqav2/v2_OpenEnded_mscoco_val2014_questions.json", {**VQA_HEAD, "questions": questions})
    write.json("vqav2/v2_mscoco_val2014_annotations.json", {**VQA_HEAD, "annotations": questions})
    write.jsonl("vsr/test.jsonl", rows_of("vsr"))
    wanted = {"pope": 18, "vqav2_val": len(questions), "vsr": 18}
    for name, number in wanted.items():
        item = benchmark(name)
        examples = item.examples(tmp_path)
        assert len(examples) == number
        assert open_images(examples[0].images)[0].size[0] > 100
        prompted = protocol("llava-1.5").prompt(item, examples[0])
        assert prompted.instruction.endswith("Answer the question using a single word or phrase.")
        right = [Given(row.target or max(row.references, key=row.references.count)) for row in examples]
        assert item.score(examples, right).value > 90
        wrong = [Given("no" if row.target in ("yes", "true") else "yes") for row in examples]
        assert item.score(examples, wrong).value < (30 if name == "vqav2_val" else 1)


@needs_truth
@pytest.mark.skipif(not (FOLDER / "nlvr").is_dir(), reason="needs ../shared/data/nlvr")
def test_nlvr_with_its_real_rows_gives_the_official_figures() -> None:
    item = replace(benchmark("nlvr"), split="dev")
    examples = item.examples(FOLDER)
    assert len(examples) == 989 and item.missing(FOLDER) == []
    with (FOLDER / "metrics" / "nlvr" / "dev_structured_predictions.csv").open(encoding="utf-8") as file:
        said = dict(csv.reader(file))
    score = item.score(examples, [Given(said[row.id]) for row in examples])
    official = (FOLDER / "metrics" / "nlvr" / "dev_structured_expected.txt").read_text(encoding="utf-8")
    wanted = {name: float(value) for name, value in (line.split("=") for line in official.split())}
    assert score.value == pytest.approx(100 * wanted["precision"], abs=1e-4)
    assert score.details["consistency"] == pytest.approx(100 * wanted["consistency"], abs=1e-4)


def test_a_row_that_cannot_be_used_is_told_with_where_to_see_all(tmp_path: Path) -> None:
    gqa = benchmark("gqa")
    write_release(gqa, tmp_path)
    for picture in (tmp_path / "gqa" / "images").iterdir():
        picture.unlink()
    (tmp_path / "gqa" / "images" / "other.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"there is no picture .* beside it; `vistune data check gqa` counts all such"):
        gqa.examples(tmp_path)
