"""The forms of official files, from rows and answers by id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from vistune.errors import DataError
from vistune.evaluate.submission.xlsx import workbook

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.base import Benchmark

Answers = Mapping[str, str]


def vqa(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> list[dict[str, Any]]:
    """VQA's results: [{"question_id", "answer"}]."""
    return [{"question_id": _number(row.id), "answer": answers.get(row.id, "")} for row in rows]


def vizwiz(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> list[dict[str, Any]]:
    """VizWiz's: [{"image", "answer"}], by the picture's file."""
    return [{"image": _file_name(row), "answer": answers[row.id]} for row in rows]


def caption(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> list[dict[str, Any]]:
    """COCO's results: [{"image_id", "caption"}], as NoCaps and TextCaps take them."""
    return [{"image_id": _number(row.id), "caption": answers[row.id]} for row in rows]


def aokvqa(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> dict[str, dict[str, str]]:
    """A-OKVQA's: {question: {"multiple_choice" or "direct_answer"}}."""
    kind = "direct_answer" if benchmark.direct else "multiple_choice"
    return {row.id: {kind: answers[row.id]} for row in rows}


def mm_vet(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> dict[str, str]:
    """MM-Vet's grader: {question: answer}."""
    return {row.id: answers[row.id] for row in rows}


def mmbench(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> bytes:
    """MMBench's table: index, question, choices and the letter of the chosen one, "" where none was named."""
    table: list[list[str | int]] = [["index", "question", "A", "B", "C", "D", "prediction"]]
    for row in rows:
        said = answers[row.id]
        letter = ascii_uppercase[row.choices.index(said)] if said in row.choices else ""
        choices = [*row.choices, "", "", "", ""][:4]
        table.append([_number(row.id), row.question, *choices, letter])
    return workbook(table)


def merged(content: dict[str, dict[str, str]], path: Path) -> dict[str, dict[str, str]]:
    """Answers of A-OKVQA together with those of the other kind that a file holds already.

    Raises:
        DataError: there is a file of something else.
    """
    if not path.is_file():
        return content
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if set(known) != set(content):
            raise ValueError("its questions are others")
        return {name: {**known[name], **entry} for name, entry in content.items()}
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} is no file of A-OKVQA's answers ({error}); move it away.") from None


def _number(name: str) -> int | str:
    """Ids that are numbers, as the official files have them."""
    return int(name) if name.isdecimal() and str(int(name)) == name else name


def _file_name(row: Example) -> str:
    from vistune.data.archives import ArchiveMember

    image = row.images[0]
    return PurePosixPath(image.member if isinstance(image, ArchiveMember) else str(image)).name
