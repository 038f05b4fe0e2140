"""True rows of the releases (or their form, where no whole row could be had) are understood by the sources."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.data.releases.writing import Writer

from vistune.data.bad_rows import BadRow, OnError, Reason, RowLog
from vistune.data.catalogue import source
from vistune.data.example import Example
from vistune.data.rows import read_rows
from vistune.data.sources.conversations import turns_of
from vistune.data.sources.scienceqa_chat import chat_texts

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample rows are not beside the repository")


def sample(name: str) -> Any:
    text = (SAMPLES / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)


def rows_of(name: str, root: Path, split: str, skip: bool = False) -> tuple[list[Example], RowLog]:
    data = source(name)
    log = RowLog(OnError("skip" if skip else "raise", max_share=1.0))
    return list(read_rows(data, data.files(root), split, log=log)), log


def copy(root: Path, sample_name: str, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLES / sample_name, root / path)


def test_vqav2_questions_and_annotations(tmp_path: Path) -> None:
    copy(tmp_path, "vqav2_questions.json", "vqav2/v2_OpenEnded_mscoco_train2014_questions.json")
    copy(tmp_path, "vqav2_annotations.json", "vqav2/v2_mscoco_train2014_annotations.json")
    Writer(tmp_path).coco("train2014/458752")
    rows, _ = rows_of("vqav2", tmp_path, "train")
    assert [row.id for row in rows] == ["458752000", "458752001", "458752002"]
    assert [len(row.answers) for row in rows] == [10, 10, 10]
    assert rows[0].answers.count("net") == 6
    assert rows[2].question == "What color is the players shirt?"


def test_twenty_more_vqav2_annotations_keep_ten_answers_each(tmp_path: Path) -> None:
    annotations = sample("vqav2_annotations_20.json")["annotations"]
    keys = ("question_id", "image_id")
    questions = [{**{key: row[key] for key in keys}, "question": "Which?"} for row in annotations]
    write = Writer(tmp_path)
    write.json("vqav2/v2_OpenEnded_mscoco_train2014_questions.json", {"questions": questions})
    copy(tmp_path, "vqav2_annotations_20.json", "vqav2/v2_mscoco_train2014_annotations.json")
    write.coco(*(f"train2014/{row['image_id']}" for row in annotations))
    rows, _ = rows_of("vqav2", tmp_path, "train")
    assert [row.answers for row in rows] == [tuple(a["answer"] for a in row["answers"]) for row in annotations]
    assert all(len(row.references) == 10 for row in rows)


def test_vsr(tmp_path: Path) -> None:
    copy(tmp_path, "vsr.jsonl", "vsr/zeroshot/dev.jsonl")
    truth = sample("vsr.jsonl")
    write = Writer(tmp_path)
    write.image(*(f"coco/{row['image_link'].split('/')[-2]}/{row['image']}" for row in truth))
    rows, _ = rows_of("vsr", tmp_path, "dev")
    assert [(row.question, row.target) for row in rows] == [
        (row["caption"], "true" if row["label"] else "false") for row in truth
    ]
    assert rows[0].source_ids == ("coco:372029",)


def test_scienceqa(tmp_path: Path) -> None:
    problems = sample("scienceqa_problems.json")
    write = Writer(tmp_path)
    write.json("scienceqa/problems.json", problems)
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, problem in problems.items():
        splits[problem["split"]].append(number)
        if problem["image"]:
            write.image(f"scienceqa/{problem['split']}/{number}/image.png")
    write.json("scienceqa/pid_splits.json", splits)
    for split, numbers in splits.items():
        shown = {number for number in numbers if problems[number]["image"]}
        assert {row.id for row in rows_of("scienceqa", tmp_path, split)[0]} == shown
        rows, _ = rows_of("scienceqa_qcm_lea", tmp_path, split)
        assert {row.id for row in rows} == set(numbers)
        assert {row.id for row in rows if row.images} == shown
        for row in rows:
            ((asked, answered),) = row.turns
            letter = "ABCDE"[problems[row.id]["answer"]]
            assert answered.endswith(f" The answer is {letter}.")
            assert asked.endswith("\n<image>") == bool(row.images)


def test_scienceqa_words_of_a_true_problem() -> None:
    """Question 11 of the test split, as LLaVA's QCM-LEA, QCM-LEPA and QCM-A files have it."""
    problem = sample("scienceqa_problems.json")["11"]
    solution = (
        "The colony is New Hampshire.\nDuring the colonial era, New Hampshire and New York both claimed the territory "
        "that would later become the state of Vermont. Vermont was never its own colony."
    )
    asked = (
        "What is the name of the colony shown?\nContext: N/A\n"
        "Options: (A) Maryland (B) New Hampshire (C) Rhode Island (D) Vermont"
    )
    assert chat_texts(problem, "LEA") == (asked, f"{solution} The answer is B.")
    assert chat_texts(problem, "LEPA") == (asked, f"SOLUTION: {solution}\n###\nANSWER: B.")
    assert chat_texts(problem, "A") == (asked, "The answer is B.")


def test_a_problem_that_is_missing_is_told(tmp_path: Path) -> None:
    copy(tmp_path, "scienceqa_problems.json", "scienceqa/problems.json")
    copy(tmp_path, "scienceqa_pid_splits.json", "scienceqa/pid_splits.json")
    _, log = rows_of("scienceqa_qcm_a", tmp_path, "train", skip=True)
    numbers = set(sample("scienceqa_pid_splits.json")["train"]) - set(sample("scienceqa_problems.json"))
    told = [row for row in log.bad if row.reason == Reason.MISSING_FIELD]
    assert len(told) == len(numbers) > 0


@pytest.mark.parametrize(
    ("name", "file", "path", "split", "picture"),
    [
        ("vizwiz", "vizwiz.json", "vizwiz/val.json", "val", "vizwiz/val/VizWiz_val_00000001.jpg"),
        (
            "textvqa",
            "textvqa.json",
            "textvqa/TextVQA_0.5.1_val.json",
            "val",
            "textvqa/train_images/003a8ae2ef43b901.jpg",
        ),
        (
            "gqa",
            "gqa_questions.json",
            "gqa/questions1.2/train_balanced_questions.json",
            "train",
            "gqa/images/n578564.jpg",
        ),
        ("aokvqa", "aokvqa.json", "aokvqa/aokvqa_v1p0_train.json", "train", "coco/train2017/000000299207.jpg"),
        ("ocrvqa", "ocrvqa.json", "ocrvqa/dataset.json", "train", "ocrvqa/images/761183272.jpg"),
        (
            "nocaps",
            "nocaps.json",
            "nocaps/nocaps_val_4500_captions.json",
            "val",
            "nocaps/val/0013ea2087020901.jpg",
        ),
        (
            "flickr30k",
            "flickr30k_karpathy.json",
            "flickr30k/dataset_flickr30k.json",
            "train",
            "flickr30k/flickr30k-images/1000092795.jpg",
        ),
        ("msvd_qa", "msvd_qa.json", "msvd_qa/val_qa.json", "val", "msvd_qa/YouTubeClips/vid1201.avi"),
        ("msrvtt_qa", "msrvtt_qa.json", "msrvtt_qa/val_qa.json", "val", "msrvtt_qa/videos/video6513.mp4"),
    ],
)
def test_one_true_row(name: str, file: str, path: str, split: str, picture: str, tmp_path: Path) -> None:
    copy(tmp_path, file, path)
    (tmp_path / picture).parent.mkdir(parents=True)
    (tmp_path / picture).touch()
    rows, _ = rows_of(name, tmp_path, split)
    assert len(rows) == {"ocrvqa": 5, "flickr30k": 3, "msrvtt_qa": 2}.get(name, 1)
    assert all(row.answers or row.target for row in rows)
    assert all(row.question for row in rows) or source(name).info.group == "caption"


def test_lavis_form_of_coco_captions(tmp_path: Path) -> None:
    write = Writer(tmp_path)
    write.json("coco/annotations/coco_karpathy_train.json", sample("coco_karpathy_lavis.jsonl"))
    row = {"image": "val2014/COCO_val2014_000000522418.jpg", "caption": ["A woman.", "A cake."]}
    write.json("coco/annotations/coco_karpathy_val.json", [row])
    write.coco("val2014/522418")
    (train,), (val,) = (rows_of("coco_caption", tmp_path, split)[0] for split in ("train", "val"))
    assert train.target == "A woman wearing a net on her head cutting a cake."
    assert train.source_ids == val.source_ids == ("coco:522418",)
    assert val.references == ("A woman.", "A cake.")


def test_llava_conversation() -> None:
    (row,) = sample("llava_instruct_150k.jsonl")
    turns = turns_of(row)
    assert turns[0] == (
        "<image>\nWhat are the colors of the bus in the image?",
        "The bus in the image is white and red.",
    )
    assert len(turns) == 2


def test_iconqa_folder(tmp_path: Path) -> None:
    copy(tmp_path, "iconqa_choose_txt_data.json", "iconqa/test/choose_txt/7/data.json")
    Writer(tmp_path).image("iconqa/test/choose_txt/7/image.png")
    (row,), _ = rows_of("iconqa", tmp_path, "test")
    assert (row.id, row.target) == ("7", "impossible")


def test_forms_without_true_rows_have_the_fields_that_are_read(tmp_path: Path) -> None:
    """Placeholders of the form files: the sources get as far as the missing picture."""
    copy(tmp_path, "textcaps_form.json", "textcaps/TextCaps_0.1_train.json")
    copy(tmp_path, "visdial_form.json", "visdial/visdial_1.0_val.json")
    _, log = rows_of("textcaps", tmp_path, "train", skip=True)
    assert [row.reason for row in log.bad] == [Reason.MISSING_IMAGE]
    # Its numbers point at texts that the form leaves out.
    _, log = rows_of("visdial", tmp_path, "val", skip=True)
    assert [row.reason for row in log.bad] == [Reason.UNKNOWN_ANSWER_INDEX]
    assert all(isinstance(row, BadRow) for row in log.bad)
    header = (SAMPLES / "ivqa_form.csv").read_text(encoding="utf-8").strip()
    assert header == "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5"
