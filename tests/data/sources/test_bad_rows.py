"""Rows of release files that cannot be used: one reason each, with the place, and the rows after them are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.data.releases.conversations import turn
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import VQA_HEAD, Writer, vqa_answers

from vistune.data.bad_rows import BadRow, OnError, Reason, RowLog
from vistune.data.catalogue import source
from vistune.data.rows import read_rows
from vistune.errors import DataError

IMAGE = "000000033471.jpg"


def reasons(name: str, root: Path, split: str) -> list[tuple[str, str]]:
    data = source(name)
    log = RowLog(OnError("skip", max_share=1.0))
    list(read_rows(data, data.files(root), split, log=log))
    return [(row.reason.value, str(row)) for row in log.bad]


def llava(root: Path, *rows: Any) -> list[tuple[str, str]]:
    write = Writer(root)
    write.json("llava_instruct/detail_23k.json", list(rows))
    write.coco("train2017/33471")
    return reasons("llava_detail", root, "train")


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        ([1], "bad JSON", "this is a list"),
        ({"id": 1, "image": IMAGE}, "missing field", "no field 'conversations'"),
        ({"id": 1, "image": "gone.jpg", "conversations": turn("a", "b")}, "missing field", "no COCO id"),
        ({"id": 1, "image": "000000000001.jpg", "conversations": turn("a", "b")}, "missing image", "no picture"),
        ({"image": "../out.jpg", "conversations": turn("a", "b")}, "path leaves the data root", "'..'"),
        ({"image": "/etc/x.jpg", "conversations": turn("a", "b")}, "path leaves the data root", "/etc/x.jpg"),
        ({"image": 3, "conversations": turn("a", "b")}, "missing field", "'image' is 3"),
        ({"image": IMAGE, "conversations": turn("a", "b")[:1]}, "empty answer", "nothing in the conversation"),
        ({"image": IMAGE, "conversations": turn("a", " ")}, "empty answer", "empty answer"),
        ({"image": IMAGE, "conversations": [*turn("a", "b"), *turn("a", "b")[1:]]}, "missing field", "expected turns"),
        ({"image": IMAGE, "conversations": [{"from": "cat", "value": "x"}]}, "missing field", "'cat'"),
    ],
)
def test_conversations(row: Any, reason: str, message: str, tmp_path: Path) -> None:
    good = {"id": "x", "image": IMAGE, "conversations": turn("<image>\na", "b")}
    ((found, text),) = llava(tmp_path, good, row, good)
    assert found == reason
    assert message in text
    assert "detail_23k.json, record 2" in text


def test_a_conversation_that_begins_with_the_assistant_loses_its_beginning(tmp_path: Path) -> None:
    said = [{"from": "system", "value": "s"}, {"from": "gpt", "value": "x"}, *turn("a", "b"), *turn("c", "d")[:1]]
    assert llava(tmp_path, {"id": 1, "image": IMAGE, "conversations": said}) == []
    data = source("llava_detail")
    (row,) = read_rows(data, data.files(tmp_path), "train")
    assert row.turns == (("<image>\na", "b"),)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"correct_choice_idx": 4}, "unknown answer index"),
        ({"correct_choice_idx": -1}, "unknown answer index"),
        ({"correct_choice_idx": None}, "missing field"),
        ({"choices": "a"}, "missing field"),
        ({"choices": ["a", "b", "c", None]}, "missing field"),
        ({"direct_answers": ["", " "]}, "empty answer"),
        ({"question": "  "}, "missing field"),
        ({"image_id": "299207"}, "missing field"),
        ({"image_id": 1}, "missing image"),
    ],
)
def test_choices(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    RELEASES["aokvqa"](Writer(tmp_path))
    file = tmp_path / "aokvqa" / "aokvqa_v1p0_train.json"
    (row,) = json.loads(file.read_text())
    file.write_text(json.dumps([row, {**row, "question_id": "other", **change}]))
    ((found, _),) = reasons("aokvqa", tmp_path, "train")
    assert found == reason


def test_questions_without_annotation_and_annotations_without_answer(tmp_path: Path) -> None:
    write = Writer(tmp_path)
    questions = [{"image_id": 9, "question": "Q?", "question_id": number} for number in (1, 2, 3, 1)]
    annotations = [
        {"question_id": 1, "image_id": 9, "answers": vqa_answers("yes", " ", "no")},
        {"question_id": 2, "image_id": 9, "answers": vqa_answers("", "")},
    ]
    write.json("okvqa/OpenEnded_mscoco_train2014_questions.json", {**VQA_HEAD, "questions": questions})
    write.json("okvqa/mscoco_train2014_annotations.json", {**VQA_HEAD, "annotations": annotations})
    write.coco("train2014/9")
    found = reasons("okvqa", tmp_path, "train")
    assert [reason for reason, _ in found] == ["missing field", "missing field", "duplicate id"]
    assert "record 2" in found[0][1]
    data = source("okvqa")
    first = next(read_rows(data, data.files(tmp_path), "train"))
    assert first.answers == ("yes", "no")


@pytest.mark.parametrize(
    ("name", "path", "line", "reason"),
    [
        (
            "hateful_memes",
            "hateful_memes/dev_seen.jsonl",
            '{"id": 1, "img": "img/1.png", "label": 2}',
            "unknown answer",
        ),
        ("hateful_memes", "hateful_memes/dev_seen.jsonl", '{"id": 1, "img"', "bad JSON"),
        ("hateful_memes", "hateful_memes/dev_seen.jsonl", "[]", "bad JSON"),
        ("vsr", "vsr/data/splits/zeroshot/test.jsonl", '{"image": "1.jpg", "caption": "c", "label": 5}', "unknown"),
        (
            "vsr",
            "vsr/data/splits/zeroshot/test.jsonl",
            '{"image": "x.jpg", "caption": "c", "label": 1}',
            "missing field",
        ),
    ],
)
def test_lines_are_named(name: str, path: str, line: str, reason: str, tmp_path: Path) -> None:
    split = next(iter(RELEASES[name](Writer(tmp_path))))
    with (tmp_path / path).open("a") as file:
        file.write(line + "\n")
    ((found, text),) = reasons(name, tmp_path, split)
    assert found.startswith(reason)
    assert f"{Path(path).name}, line 3" in text


def test_invalid_utf8_costs_one_row(tmp_path: Path) -> None:
    split = next(iter(RELEASES["vsr"](Writer(tmp_path))))
    file = tmp_path / "vsr" / "data" / "splits" / "zeroshot" / "test.jsonl"
    file.write_bytes(b'{"caption": "\xff"}\n' + file.read_bytes())
    ((reason, _),) = reasons("vsr", tmp_path, split)
    assert reason == "invalid UTF-8"


def test_answers_and_questions_of_a_cover_must_match(tmp_path: Path) -> None:
    RELEASES["ocrvqa"](Writer(tmp_path))
    file = tmp_path / "ocrvqa" / "dataset.json"
    covers = json.loads(file.read_text())
    covers["761183272"]["answers"].pop()
    covers["2"] = 5
    file.write_text(json.dumps(covers))
    assert [reason for reason, _ in reasons("ocrvqa", tmp_path, "train")] == ["missing field", "bad JSON"]


def test_dialogues_whose_numbers_point_nowhere(tmp_path: Path) -> None:
    RELEASES["visdial"](Writer(tmp_path))
    file = tmp_path / "visdial" / "visdial_1.0_val.json"
    content = json.loads(file.read_text())
    (dialog,) = content["data"]["dialogs"]
    dialog["dialog"][0]["gt_index"] = 7
    file.write_text(json.dumps(content))
    ((reason, text),) = reasons("visdial", tmp_path, "val")
    assert reason == "unknown answer index"
    assert "'answer 7', but gt_index says 'answer 8'" in text


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    data = source("okvqa")
    with pytest.raises(DataError, match=r"okvqa has no split 'trian'; did you mean 'train'\?"):
        list(read_rows(data, data.files(tmp_path), "trian"))
    with pytest.raises(DataError, match=r"OpenEnded_mscoco_train2014_questions\.json"):
        list(read_rows(data, data.files(tmp_path), "train"))


def test_a_bad_row_stops_the_reading_unless_told_otherwise(tmp_path: Path) -> None:
    RELEASES["msvd_qa"](Writer(tmp_path))
    (tmp_path / "msvd_qa" / "YouTubeClips" / "-7KMZQEsJW4_205_208.avi").unlink()
    data = source("msvd_qa")
    with pytest.raises(BadRow, match=r"val_qa.json, record 1: the video of row .30933. is missing") as caught:
        list(read_rows(data, data.files(tmp_path), "val"))
    assert caught.value.reason == Reason.MISSING_IMAGE
