"""A folder in the form of LLaVA-Bench: questions, what the judge knows of the pictures, reference answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.data.sources.llava_bench import CONTEXTS, QUESTIONS, REFERENCES
from vistune.errors import DataError
from vistune.evaluate.judge.keyed import Row, keyed_rows
from vistune.evaluate.judge.rules import Sees


@dataclass(frozen=True)
class Question:
    """A question, what the judge is told of its picture, and the reference answer.

    Args:
        id: as in the file. context: None where questions come without pictures. sees: what kind of context that is.
        reference_id: of the reference answer, "" where it has none.
    """

    id: Any
    text: str
    category: str
    context: str | None
    sees: Sees
    reference: str
    reference_id: str = ""

    @property
    def name(self) -> str:
        """The id as text, by which files are joined."""
        return str(self.id)


def read_questions(
    folder: Path, questions: Path | None = None, contexts: Path | None = None, references: Path | None = None
) -> list[Question]:
    """The questions of a folder, joined with their contexts by picture and with reference answers by question_id.

    Args:
        folder: with files named as released. questions, contexts, references: files to take instead.

    Raises:
        DataError: a file is missing, a row is no such row, or a question has no context or reference.
    """
    asked = keyed_rows(questions or _found(folder, QUESTIONS, "questions"), ("question_id",))
    known: dict[str, tuple[str, Sees]] = {}
    if any("image" in row for row in asked.values()):
        rows = keyed_rows(contexts or _found(folder, CONTEXTS, "contexts"), ("image",), ("caption", "captions"))
        known = {str(image): _context(row) for image, row in rows.items()}
    answers = by_question(references or _found(folder, REFERENCES, "reference answers"))
    return [_question(row, known, answers) for row in asked.values()]


def by_question(path: Path, allow_empty: bool = False) -> dict[str, Row]:
    """Answers of a file by question_id.

    Args:
        allow_empty: empty answers are shown to the judge as they are, instead of being refused.

    Raises:
        DataError: a row without question_id or words, or the same question twice.
    """
    return refuse_empty(path, keyed_rows(path, ("question_id",), ("text", "answer")), allow_empty)


def refuse_empty(path: Path, rows: dict[str, Row], allow_empty: bool) -> dict[str, Row]:
    """The same rows, each with an answer, unless none is allowed.

    Raises:
        DataError: an answer is empty.
    """
    empty = [name for name, row in rows.items() if answer_text(row) is None]
    if empty and not allow_empty:
        raise DataError(
            f"{path}: question {empty[0]!r} has an empty answer ({len(empty)} in all); answer it, or let the judge see "
            "that there is none with --allow-empty."
        )
    return rows


def answer_text(row: Row) -> str | None:
    """What a row answers, in ``text`` as LLaVA writes it or ``answer`` as vistune does; None for nothing at all."""
    text = row.get("text", row.get("answer"))
    return text if isinstance(text, str) and text.strip() else None


def _found(folder: Path, names: Iterable[str], what: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    looked = " or ".join(str(folder / name) for name in names)
    raise DataError(f"There are no {what}: looked for {looked}; name the file with an option.")


def _context(record: Row) -> tuple[str, Sees]:
    """Captions and boxes as the COCO script words them, or one caption as that of In-the-Wild does."""
    if "captions" not in record:
        caption = record.get("caption", "")
        return ("\n".join(caption) if isinstance(caption, list) else str(caption)), "caption"
    boxes = [f"{found['category']}: {found['bbox']}" for found in record.get("instances", ())]
    return "\n".join(record["captions"]) + "\n\n" + "\n".join(boxes), "boxes"


def _question(row: Row, known: Mapping[str, tuple[str, Sees]], answers: Mapping[str, Row]) -> Question:
    name = row["question_id"]
    if str(name) not in answers:
        raise DataError(f"Question {name!r} has no reference answer; add one with this question_id.")
    context: tuple[str | None, Sees] = (None, "nothing")
    if "image" in row:
        if str(row["image"]) not in known:
            raise DataError(f"Question {name!r} is about {row['image']!r}, of which there is no context; add it.")
        context = known[str(row["image"])]
    reference = answers[str(name)]
    return Question(
        id=name,
        text=str(row.get("text", "")),
        category=str(row.get("category") or ""),
        context=context[0],
        sees=context[1],
        reference=answer_text(reference) or "",
        reference_id=str(reference.get("answer_id", "")),
    )
