"""The forms of official files, from rows and answers by id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from vistune.errors import DataError
from vistune.evaluate.metrics import normalize_evalai_answer

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.base import Benchmark

Answers = Mapping[str, str]
Table = list[list[str | int]]

_MMBENCH = ("index", "question", "A", "B", "C", "D", "prediction", "category", "l2_category", "split")


def vqa(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> list[dict[str, Any]]:
    """VQA's results, visualqa.org/evaluation.html: [{"question_id", "answer"}].

    Answers are in the form that the evaluator compares, as LLaVA's convert_vqav2_for_submission.py writes them: it
    puts them there by itself only where people do not agree.
    """
    numbers = _numbers(rows)
    return [
        {"question_id": number, "answer": normalize_evalai_answer(answers.get(row.id, ""))}
        for row, number in zip(rows, numbers, strict=True)
    ]


def vizwiz(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> list[dict[str, Any]]:
    """VizWiz's, as LLaVA's convert_vizwiz_for_submission.py has them: [{"image", "answer"}], by the picture's file."""
    return [{"image": _file_name(row), "answer": normalize_evalai_answer(answers[row.id])} for row in rows]


def caption(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> list[dict[str, Any]]:
    """COCO's results: [{"image_id", "caption"}]; ids are NoCaps' numbers or TextCaps' texts of hexadecimal digits."""
    return [{"image_id": number, "caption": answers[row.id]} for row, number in zip(rows, _numbers(rows), strict=True)]


def aokvqa(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> dict[str, dict[str, str]]:
    """A-OKVQA's, as evaluation/prepare_predictions.py of allenai/aokvqa joins them.

    {question: {"multiple_choice" or "direct_answer"}}; answers are compared letter by letter.
    """
    kind = "direct_answer" if benchmark.direct else "multiple_choice"
    return {row.id: {kind: answers[row.id]} for row in rows}


def mm_vet(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> dict[str, str]:
    """MM-Vet's grader: {question: answer}."""
    return {row.id: answers[row.id] for row in rows}


def seed(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> list[dict[str, str]]:
    """SEED-Bench's leaderboard, a line each: {"question_id", "prediction"}, the letter of the choice."""
    return [{"question_id": row.id, "prediction": _letter(row, answers[row.id])} for row in rows]


def mmbench(benchmark: Benchmark, rows: Sequence[Example], answers: Answers) -> Table:
    """MMBench's table, README of open-compass/MMBench; cells of choices that a question does not have stay empty.

    ``prediction`` is the letter of the chosen one, or the answer in words that names none: the server has a language
    model read it.
    """
    split = benchmark.split.partition("_")[0]
    table: Table = [list(_MMBENCH)]
    for row, number in zip(rows, _numbers(rows), strict=True):
        choices = [*row.choices, "", "", "", ""][:4]
        category, group = (*row.parts, "", "")[:2]
        said = answers[row.id]
        table.append(
            [number, row.question, *choices, _letter(row, said) or said, category, group, split],
        )
    return table


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


def _letter(row: Example, said: str) -> str:
    """The letter of a choice given in its words, "" for other words."""
    return ascii_uppercase[row.choices.index(said)] if said in row.choices else ""


def _numbers(rows: Sequence[Example]) -> Sequence[int | str]:
    """Ids as the official files have them: numbers where all are, since texts may look like one."""
    names = [row.id for row in rows]
    if all(name.isdecimal() and str(int(name)) == name for name in names):
        return [int(name) for name in names]
    return names


def _file_name(row: Example) -> str:
    from vistune.data.archives import ArchiveMember

    image = row.images[0]
    return PurePosixPath(image.member if isinstance(image, ArchiveMember) else str(image)).name
