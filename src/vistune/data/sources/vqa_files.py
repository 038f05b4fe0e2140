"""The form of the VQA releases (VQAv2, OK-VQA): questions in one file, ten answers each in another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import BadRow, Reason, field_of
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Rows, objects, said


def vqa_records(questions: Path, annotations: Path | None) -> Rows:
    """Questions with their answers joined on: image_id, question, question_id and answers (a tuple of texts).

    The answers of a whole file are held in memory, 443,757 x 10 of VQAv2 in about 100 MB.

    Args:
        annotations: None for a test split, whose answers are not public.
    """
    answers = _answers(annotations) if annotations is not None else None

    def join(record: Any) -> dict[str, Any]:
        number = field_of(record, "question_id", int, str)
        if answers is None:
            return {**record, "answers": ()}
        if number not in answers:
            raise BadRow(Reason.MISSING_FIELD, f"there is no annotation of question {number}.")
        return {**record, "answers": answers[number]}

    return objects(read_json_array(questions, "questions"), join)


def _answers(path: Path) -> dict[int | str, tuple[str, ...]]:
    """Answers by question. An annotation that cannot be read is left out: its question will be told of instead."""
    found: dict[int | str, tuple[str, ...]] = {}
    for _, record in read_json_array(path, "annotations"):
        if not isinstance(record, BadRow) and isinstance(record, dict) and isinstance(record.get("answers"), list):
            said = (entry.get("answer") if isinstance(entry, dict) else None for entry in record["answers"])
            # Few answers are different ones.
            texts = tuple(sys.intern(text.strip()) for text in said if isinstance(text, str) and text.strip())
            if texts and record.get("question_id") is not None:
                found[record["question_id"]] = texts
    return found


def answers_in(record: Any) -> tuple[str, ...]:
    """The answers of a record that has them as objects with an ``answer``, as VizWiz does.

    Raises:
        BadRow: there are none, or they are something else.
    """
    return said(field_of(entry, "answer", str).strip() for entry in field_of(record, "answers", list))
