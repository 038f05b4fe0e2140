"""`check_set`: a whole set passes, and each thing that can be wrong with one is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.releases.every import RELEASES
from tests.data.releases.videos import VIDEOS
from tests.data.releases.writing import Writer

from vistune.data.catalogue import SOURCES, source
from vistune.data.check import CheckReport, check_set
from vistune.data.sources.base import Source
from vistune.errors import DataError


def tiny(name: str, root: Path) -> Source:
    """A set whose release is the tiny one: its description says as many rows as that has."""
    expected = RELEASES[name](Writer(root))
    data = source(name)
    data.info = replace(data.info, splits={split: len(rows) for split, rows in expected.items()}, rounded=frozenset())
    return data


def check(data: Source, root: Path, *splits: str, **options: int | None) -> CheckReport:
    return check_set(data, root, splits or tuple(data.info.splits), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SOURCES)
def test_a_whole_set_passes(name: str, tmp_path: Path) -> None:
    data = tiny(name, tmp_path)
    report = check(data, tmp_path, open_images=0 if name in VIDEOS else None)
    assert report.problems == []
    assert {split: found.rows for split, found in report.splits.items()} == dict(data.info.splits)
    assert all(found.opened > 0 for found in report.splits.values()) or name in (*VIDEOS, "sharegpt")
    assert all(found.files and not found.missing for found in report.splits.values())
    json.dumps(report.as_dict())


def test_missing_files_are_told_with_the_paths_looked_at(tmp_path: Path) -> None:
    data = source("gqa")
    report = check_set(data, tmp_path)
    (problem,) = report.problems
    for folder in ("questions1.2/", "", "questions/"):
        assert str(tmp_path / "gqa" / f"{folder}testdev_balanced_questions.json") in problem
    # Held out: only what it is measured on is needed.
    assert list(report.splits) == ["testdev"]
    assert report.image_folders == {str(tmp_path / "gqa/images"): False}
    held_in = check_set(source("okvqa"), tmp_path)
    assert [found.missing for found in held_in.splits.values()] == [
        [
            [str(tmp_path / "okvqa/OpenEnded_mscoco_train2014_questions.json")],
            [str(tmp_path / "okvqa/mscoco_train2014_annotations.json")],
        ]
    ]


def test_counts_against_the_release(tmp_path: Path) -> None:
    data = tiny("vsr", tmp_path)
    data.info = replace(data.info, splits={"test": 1222})
    assert check(data, tmp_path).problems == ["test: 2 rows, the release has 1,222"]
    data.info = replace(data.info, rounded=frozenset({"test"}))
    report = check(data, tmp_path)
    assert report.ok
    assert report.notes == ["test: 2 rows, the release has 1,222 (in round figures)"]
    data.info = replace(data.info, splits={"test": None})
    assert check(data, tmp_path).ok


def test_missing_and_broken_pictures(tmp_path: Path) -> None:
    data = tiny("gqa", tmp_path)
    (tmp_path / "gqa/images/n578564.jpg").unlink()
    (tmp_path / "gqa/images/2382986.jpg").write_bytes(b"no picture")
    report = check(data, tmp_path)
    found = report.splits["testdev"]
    assert found.bad == {"missing image": 1}
    assert found.rows == 1 and found.opened == 0 and len(found.broken) == 1
    assert "1 missing image; the first: testdev_balanced_questions.json, record 1" in report.problems[0]
    assert "1 pictures do not open" in report.problems[1]
    assert "2382986.jpg" in report.problems[1]


def test_ids_that_stand_twice(tmp_path: Path) -> None:
    data = tiny("hateful_memes", tmp_path)
    file = tmp_path / "hateful_memes/dev_seen.jsonl"
    file.write_text(file.read_text() * 2)
    report = check(data, tmp_path, "val")
    assert report.splits["val"].bad == {"duplicate id": 2}
    assert not report.ok


def test_pictures_that_training_and_measuring_share(tmp_path: Path) -> None:
    data = tiny("flickr30k", tmp_path)
    file = tmp_path / "flickr30k/dataset_flickr30k.json"
    assert check(data, tmp_path).shared_pictures == {"test": 0}
    file.write_text(file.read_text().replace('"7.jpg"', '"1000092795.jpg"'))
    report = check(data, tmp_path)
    assert report.shared_pictures == {"test": 1}
    assert report.notes == ["test: 1 picture also in 'train'"]


def test_answers_to_rank(tmp_path: Path) -> None:
    data = tiny("msvd_qa", tmp_path)
    questions = tmp_path / "msvd_qa/val_qa.json"
    questions.rename(questions.with_name("test_qa.json"))
    data.info = replace(data.info, splits={"test": 1})
    report = check(data, tmp_path, "test", open_images=0)
    assert (report.ok, report.answers) == (True, 2)
    (tmp_path / "msvd_qa/train_qa.json").unlink()
    report = check(data, tmp_path, "test", open_images=0)
    assert report.ok and report.answers is None
    assert "no list of answers to rank" in report.notes[0]
    (tmp_path / "msvd_qa/answers.txt").write_text("a\na\n")
    report = check(data, tmp_path, "test", open_images=0)
    assert "twice: a" in report.problems[0]
    assert report.optional[str(tmp_path / "msvd_qa/answers.txt")] is True


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    data = tiny("nocaps", tmp_path)
    file = tmp_path / "nocaps/nocaps_val_4500_captions.json"
    file.write_text(file.read_text()[:60])
    report = check(data, tmp_path, "val")
    assert len(report.problems) == 1
    assert report.problems[0].startswith("val: nocaps_val_4500_captions.json")


def test_a_sample_of_pictures_is_opened_the_same_every_time(tmp_path: Path) -> None:
    data = source("vsr")
    rows = [{"image": f"{number:012d}.jpg", "caption": "c", "label": 1} for number in range(1, 41)]
    write = Writer(tmp_path)
    write.jsonl("vsr/test.jsonl", [*rows, *rows])
    write.image(*(f"vsr/images/{row['image']}" for row in rows))
    assert check(data, tmp_path, "test", open_images=7).splits["test"].opened == 7
    assert check(data, tmp_path, "test", open_images=None).splits["test"].opened == 40
    for row in rows[::2]:
        (tmp_path / "vsr/images" / str(row["image"])).write_bytes(b"")
    first, second = (check(data, tmp_path, "test", open_images=15).splits["test"] for _ in range(2))
    assert first.broken == second.broken
    assert 0 < len(first.broken) < 15


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no data folder"):
        check_set(source("vsr"), tmp_path / "gone")
    with pytest.raises(DataError, match="vsr has no split 'val'; expected train or dev or test"):
        check_set(source("vsr"), tmp_path, ("val",))
