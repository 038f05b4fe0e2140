"""MM-Vet's questions as tasks for a judge, who grades each answer from 0 to 1 (Yu et al. 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from vistune.data.bad_rows import BadRow
from vistune.data.readers import read_json, read_json_object
from vistune.data.sources.base import named_objects, text_of, texts_of
from vistune.errors import DataError, InputError
from vistune.evaluate.judge.cache import reply_key
from vistune.evaluate.judge.folder import answer_text, by_question, refuse_empty
from vistune.evaluate.judge.judges import Sampling
from vistune.evaluate.judge.keyed import Row, check_joined
from vistune.evaluate.judge.rules import Message
from vistune.evaluate.judge.run import Task

FILE = "mm-vet.json"
SAMPLING = Sampling(temperature=0.0, max_tokens=16)
"""The official script's temperature. It takes 3 tokens, in which not every model's tokens write a grade."""
_PROMPT = Path(__file__).parent / "mm_vet.yaml"


@dataclass(frozen=True)
class VetQuestion:
    """A question, its right answer with <AND> and <OR>, and the capabilities that it takes."""

    id: str
    text: str
    answer: str
    capabilities: tuple[str, ...]


def read_mm_vet(place: Path) -> list[VetQuestion]:
    """The questions of the release's mm-vet.json, or of the folder that holds it. Pictures are not needed.

    Raises:
        DataError: there is no such file, or a row is no such row.
    """
    path = place / FILE if place.is_dir() else place
    found = []
    for where, record in named_objects(read_json_object(path)):
        if isinstance(record, BadRow):
            raise record.at(where)
        try:
            question = VetQuestion(
                record["name"], text_of(record, "question"), text_of(record, "answer"), texts_of(record, "capability")
            )
        except BadRow as error:
            raise error.at(where) from None
        found.append(question)
    if not found:
        raise DataError(f"{path} holds no questions; expected MM-Vet's mm-vet.json.")
    return found


def read_vet_answers(path: Path, allow_empty: bool = False) -> dict[str, Row]:
    """Answers by question: JSON lines with question_id and text, or the official JSON file, {question: answer}.

    Raises:
        DataError: a row without them, the same question twice, or empty answers that are not allowed.
    """
    if path.suffix != ".json":
        return by_question(path, allow_empty)
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
        raise DataError(f"{path} is no file of MM-Vet's answers; expected a JSON object of texts by question.")
    return refuse_empty(path, {name: {"text": text} for name, text in content.items()}, allow_empty)


def read_prompt(path: Path | None = None) -> str:
    """What is put in front of each row: our own words, or a text file, such as the official prompt.

    Raises:
        InputError: the file is not there, or empty.
    """
    if path is None:
        return _own_prompt()
    try:
        text = path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The rules {str(path)!r} cannot be read ({error}); give a text file.") from error
    if not text.strip():
        raise InputError(f"The rules {str(path)!r} are empty; give a text file with the judge's prompt.")
    return text


def plan_grades(
    questions: Sequence[VetQuestion],
    answers: Mapping[str, Row],
    prompt: str,
    settings: Mapping[str, Any],
    repeats: int = 1,
    some_only: bool = False,
) -> list[Task]:
    """What has to be asked, joined on the questions' names; arguments and errors as of `review_tasks.plan_reviews`."""
    check_joined([question.id for question in questions], answers, some_only)
    tasks = []
    for repeat in range(repeats):
        for question in questions:
            if question.id not in answers:
                continue
            told = vet_messages(prompt, question, answer_text(answers[question.id]) or "")
            tasks.append(
                Task(
                    question.id,
                    told,
                    reply_key(settings, told, question.id, repeat),
                    partial(_grade_row, question, repeat),
                )
            )
    return tasks


def vet_messages(prompt: str, question: VetQuestion, answer: str) -> list[Message]:
    """One message in the published form: the prompt, and the row to be graded (mm-vet_evaluator.py)."""
    right = question.answer.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
    row = " | ".join([question.text, right, answer, ""])
    # The official prompt ends with a line of its own, so that an empty line stands before the row.
    return [{"role": "user", "content": f"{prompt}\n\n{row}"}]


def parse_grade(reply: str) -> float | None:
    """The grade that a reply begins with, as published: its first word, a number from 0 to 1; None for all else."""
    words = reply.split(maxsplit=1)
    try:
        grade = float(words[0])
    except (ValueError, IndexError):
        return None
    return grade if 0 <= grade <= 1 else None


def _grade_row(question: VetQuestion, repeat: int, words: str) -> dict[str, Any]:
    return {
        "question_id": question.id,
        "capabilities": list(question.capabilities),
        "content": words,
        "score": parse_grade(words),
        "repeat": repeat,
    }


@cache
def _own_prompt() -> str:
    prompt: str = yaml.safe_load(_PROMPT.read_text(encoding="utf-8"))["prompt"]
    return prompt
