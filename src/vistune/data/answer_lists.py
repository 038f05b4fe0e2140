"""Lists of answers to rank: what occurs in a training split, as MSVD-QA and MSRVTT-QA are measured (section 2.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vistune.data.bad_rows import BadRow
from vistune.data.readers import read_json, read_lines
from vistune.data.storage import written_whole
from vistune.errors import DataError


def list_answers(answers: Iterable[str]) -> tuple[str, ...]:
    """Every different answer once, the most frequent first, equally frequent ones by the alphabet."""
    counts = Counter(answers)
    return tuple(sorted(counts, key=lambda answer: (-counts[answer], answer)))


def write_answer_list(answers: Iterable[str], path: Path) -> None:
    """Write a list of answers as a text file, one a line.

    Raises:
        DataError: no answers, or one has a line break in it. StorageError: the file cannot be written.
    """
    lines = list(answers)
    if not lines:
        raise DataError(f"There are no answers to write to {path}; are the splits those that have answers?")
    broken = next((answer for answer in lines if len(answer.splitlines()) > 1 or not answer.strip()), None)
    if broken is not None:
        raise DataError(f"The answer {broken!r} is empty or has a line break; it cannot stand in a list of answers.")
    with written_whole(path) as part:
        part.write_text("".join(f"{answer}\n" for answer in lines), encoding="utf-8")


def read_answer_list(path: Path) -> tuple[str, ...]:
    """A list of answers: a text file with one a line, or JSON: a list, or LAVIS's object from answer to its number.

    Raises:
        DataError: no such file, none of these forms, or an answer that is no text or stands twice.
    """
    if path.suffix == ".json":
        content = read_json(path)
        answers = sorted(content, key=content.__getitem__) if isinstance(content, dict) else content
        if not isinstance(answers, list):
            raise DataError(f"{path.name} holds a {type(content).__name__}, expected a list of answers.")
    else:
        answers = [answer for _, answer in read_lines(path)]
    for answer in answers:
        if isinstance(answer, BadRow):
            raise answer
        if not isinstance(answer, str) or not answer.strip():
            raise DataError(f"{path.name} has the answer {answer!r}, expected text.")
    if len(set(answers)) < len(answers) or not answers:
        twice = [answer for answer, count in Counter(answers).items() if count > 1][:3]
        raise DataError(f"{path.name} has {'twice: ' + ', '.join(twice) if twice else 'no answers'}; repair the list.")
    return tuple(answers)
