"""JSON lines by the id of their question, and what has an answer to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import BadRow
from vistune.data.counting import count_of
from vistune.data.readers import read_jsonl
from vistune.errors import DataError

Row = Mapping[str, Any]


def keyed_rows(path: Path, keys: Sequence[str], needed: Sequence[str] = ()) -> dict[str, Row]:
    """The rows of a file by their id as text (7 and "7" are one question), in the file's order.

    Args:
        keys: names that the id goes by, such as question_id. needed: one of these must be there besides.

    Raises:
        DataError: a row that is none, without id or what is needed, the same id twice, or no rows.
    """
    expected = f"an object with {' or '.join(keys)}" + (f" and {' or '.join(needed)}" if needed else "")
    found: dict[str, Row] = {}
    for place, row in read_jsonl(path):
        if isinstance(row, BadRow):
            raise DataError(str(row))
        name = next((row[key] for key in keys if key in row), None) if isinstance(row, dict) else None
        if name is None or (needed and all(row.get(key) is None for key in needed)):
            raise DataError(f"{path}, line {place.line}: expected {expected}.")
        if str(name) in found:
            raise DataError(f"{path}, line {place.line}: {name!r} stands there twice; keep one of its rows.")
        found[str(name)] = row
    if not found:
        raise DataError(f"{path} holds no rows; expected JSON lines, each {expected}.")
    return found


def check_joined(questions: Sequence[str], answers: Collection[str], partial: bool = False) -> None:
    """Whether every question has an answer and every answer a question.

    Args:
        partial: questions may be without one.

    Raises:
        DataError: answers to unknown questions, or questions without one.
    """
    known = set(questions)
    unknown = [name for name in answers if name not in known]
    if unknown:
        raise DataError(f"There are answers to unknown questions ({some(unknown)}); are they of another benchmark?")
    missing = [name for name in questions if name not in answers]
    if missing and not partial:
        raise DataError(
            f"There is no answer to {count_of(len(missing), 'question')} ({some(missing)}); answer every question."
        )


def some(names: Sequence[str]) -> str:
    """The first few of them, for a sentence."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
