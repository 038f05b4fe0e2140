"""Rows of the sets that are measured on only, where they are odd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer
from tests.evaluate.metrics.truth import FOLDER

from vistune.data.bad_rows import BadRow
from vistune.data.catalogue import source
from vistune.data.example import Example
from vistune.data.images import open_images
from vistune.data.rows import read_rows
from vistune.errors import DataError


def rows_of(name: str, root: Path, split: str = "test") -> list[Example]:
    data = source(name)
    return list(read_rows(data, data.files(root), split))


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "split", "file", "old", "new", "message"),
    [
        ("pope", "test", "pope/output/coco/coco_pope_random.json", '"yes"', '"maybe"', "the label is 'maybe'"),
        (
            "mme",
            "test",
            "mme/MME_Benchmark_release_version/count/0001.txt",
            "\tYes",
            "\tPerhaps",
            "0001.txt, line 1: this is .* expected a question, a tab and Yes or No",
        ),
        ("mmbench", "dev", "mmbench/mmbench_dev_20230712.tsv", "\t241\t", "\t77\t", "takes the picture of row 77"),
        ("mmbench", "dev", "mmbench/mmbench_dev_20230712.tsv", "\tB\treasoning", "\tE\treasoning", "the answer is 'E'"),
        ("mmbench", "dev", "mmbench/mmbench_dev_20230712.tsv", "\t/9j/", "\t!!!!", "the picture is no base64"),
        ("seed", "test", "seed/SEED-Bench.json", '"answer": "C"', '"answer": "F"', "the answer is 'f'"),
        ("mm_vet", "test", "mm-vet/mm-vet.json", "v1_0.png", "v1_9.png", "there is no picture 'v1_9.png'"),
        ("nlvr", "test", "nlvr/test/test.json", '"true"', '"yes"', "the label is 'yes'"),
        ("nlvr2", "test1", "nlvr2/data/test1.json", "test1-850-0-0", "test1-851-0-0", "no picture 'test1-851-0-img0"),
    ],
)
def test_rows_that_cannot_be_used_are_told(
    name: str, split: str, file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    RELEASES[name](Writer(tmp_path))
    assert rows_of(name, tmp_path, split)
    changed(tmp_path / file, old, new)
    with pytest.raises(BadRow, match=message):
        rows_of(name, tmp_path, split)


def test_half_of_a_release_is_told_with_the_paths(tmp_path: Path) -> None:
    RELEASES["pope"](Writer(tmp_path))
    (tmp_path / "pope/output/coco/coco_pope_popular.json").unlink()
    with pytest.raises(DataError, match=r"there is no '.*pope/coco_pope_popular\.json' and '"):
        rows_of("pope", tmp_path)


def test_all_rounds_of_a_question_have_one_picture(tmp_path: Path) -> None:
    RELEASES["mmbench"](Writer(tmp_path))
    rows = {row.id: row for row in rows_of("mmbench", tmp_path, "dev")}
    # One names the row that has it, one brings it again.
    assert rows["241"].images == rows["1000241"].images and rows["7"].images == rows["1000007"].images
    assert rows["241"].images != rows["7"].images
    assert open_images(rows["1000241"].images)[0].size == (12, 8)


def test_a_video_question_takes_the_middle_frame_or_the_fourth_of_eight(tmp_path: Path) -> None:
    RELEASES["seed"](Writer(tmp_path))
    frames = tmp_path / "seed" / "SEED-Bench-video-image"
    assert str(rows_of("seed", tmp_path)[1].images[0]) == str(frames / "10_92.png")
    fourth = frames / "v1_video/task10/ssv2_8_frame/92/4.png"
    fourth.parent.mkdir(parents=True)
    (frames / "10_92.png").rename(fourth)
    assert str(rows_of("seed", tmp_path)[1].images[0]) == str(fourth)


@pytest.mark.skipif(not (FOLDER / "samples").is_dir(), reason="needs true rows in ../shared/data/samples")
def test_true_rows_of_pope_and_nlvr2(tmp_path: Path) -> None:
    samples = FOLDER / "samples"
    write = Writer(tmp_path)
    lines = (samples / "pope_coco_random.jsonl").read_text(encoding="utf-8").splitlines()
    told: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for category in ("random", "popular", "adversarial"):
        write.jsonl(f"pope/coco_pope_{category}.json", told)
    write.coco(*{f"val2014/{int(row['image'][-16:-4])}" for row in told})
    rows = rows_of("pope", tmp_path)
    assert [row.target for row in rows[:20]] == [row["label"] for row in told]
    assert len({row.id for row in rows}) == 60 and rows[20].parts == ("popular",)
    said = (samples / "nlvr2.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in said]
    write.jsonl("nlvr2/dev.json", pairs)
    stems = {row["identifier"].rpartition("-")[0] for row in pairs}
    write.image(*(f"nlvr2/dev/{stem}-img{side}.png" for stem in stems for side in (0, 1)))
    found = rows_of("nlvr2", tmp_path, "dev")
    assert [row.target for row in found] == [row["label"].lower() for row in pairs]
    assert all(len(row.images) == 2 for row in found)
