"""From grades of answers to MM-Vet's figures: the total, and that of every capability and combination of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import BadRow
from vistune.data.counting import count_of
from vistune.data.readers import read_jsonl
from vistune.errors import DataError
from vistune.evaluate.judge.mm_vet import parse_grade
from vistune.evaluate.judge.parse import Pair
from vistune.evaluate.judge.ratios import in_order, ratio_score
from vistune.evaluate.judge.summary import spread


@dataclass(frozen=True)
class Grade:
    """What a judge said of an answer. score: None where that is no grade. judge: who said it."""

    question_id: str
    capabilities: tuple[str, ...]
    text: str
    score: float | None
    repeat: int = 0
    judge: str = ""


def holds_grades(path: Path) -> bool:
    """Whether a file is of grades, not of reviews.

    Raises:
        DataError: there is no such file.
    """
    return any(isinstance(row, dict) and "capabilities" in row for _, row in islice(read_jsonl(path), 1))


def read_grades(path: Path) -> list[Grade]:
    """All grades of a file of `vistune judge mm-vet`.

    Raises:
        DataError: a row that is none, the same question twice in one round, or no rows.
    """
    found: dict[tuple[str, int], Grade] = {}
    for place, row in read_jsonl(path):
        if isinstance(row, BadRow):
            raise DataError(str(row))
        if not isinstance(row, dict) or not {"question_id", "capabilities", "content"} <= set(row):
            raise DataError(f"{place}: expected an object with question_id, capabilities and the reply in content.")
        text = str(row["content"])
        grade = Grade(
            str(row["question_id"]),
            tuple(map(str, row["capabilities"])),
            text,
            parse_grade(text),
            int(row.get("repeat", 0)),
            str(row.get("model") or ""),
        )
        if (grade.question_id, grade.repeat) in found:
            raise DataError(f"{place}: question {grade.question_id!r} is graded twice; keep one of its rows.")
        found[grade.question_id, grade.repeat] = grade
    if not found:
        raise DataError(f"{path} holds no grades; expected JSON lines of `vistune judge mm-vet`.")
    return list(found.values())


def summarize_grades(grades: Sequence[Grade]) -> dict[str, Any]:
    """Means times 100, as MM-Vet tells them; of several rounds the mean of each question's grades counts.

    Returns:
        total, its 95 % interval (bootstrap over questions), n (questions that count), unparsed (ids of questions with a
        reply that is no grade; such replies are left out), capabilities and combinations ({name: {"value", "interval",
        "n"}}, the most frequent first), and of several rounds ``rounds`` ({"n", "mean", "deviation"} of the totals).

    Raises:
        DataError: no reply holds a grade.
    """
    pairs = pairs_by_question(grades)
    every = in_order(grade.question_id for grade in grades)
    kinds = {grade.question_id: grade.capabilities for grade in grades if grade.question_id in pairs}
    total = _figures(pairs, every)
    summary: dict[str, Any] = {
        "total": total["value"],
        "interval": total["interval"],
        "n": total["n"],
        "unparsed": in_order(grade.question_id for grade in grades if grade.score is None),
        "capabilities": _by(kinds, pairs, every),
        "combinations": _by({name: (", ".join(sorted(set(listed))),) for name, listed in kinds.items()}, pairs, every),
    }
    rounds: dict[int, list[float]] = {}
    for grade in grades:
        if grade.score is not None:
            rounds.setdefault(grade.repeat, []).append(grade.score)
    if len(rounds) > 1:
        summary["rounds"] = spread([100 * statistics.fmean(scores) for scores in rounds.values()])
    return summary


def pairs_by_question(grades: Sequence[Grade]) -> dict[str, Pair]:
    """For every question with a grade 1 and the mean of its grades; see `vistune.evaluate.judge.ratios`.

    Raises:
        DataError: no reply holds a grade.
    """
    scores: dict[str, list[float]] = {}
    for grade in grades:
        if grade.score is not None:
            scores.setdefault(grade.question_id, []).append(grade.score)
    if not scores:
        raise DataError(
            f"None of {count_of(len(grades), 'reply', 'replies')} begins with a grade from 0 to 1 (the first is "
            f"{grades[0].text[:80]!r}); check the judge, or its rules."
        )
    return {name: (1.0, statistics.fmean(listed)) for name, listed in scores.items()}


def _by(kinds: Mapping[str, tuple[str, ...]], pairs: Mapping[str, Pair], every: Sequence[str]) -> dict[str, Any]:
    counts = Counter(kind for listed in kinds.values() for kind in set(listed))
    return {
        kind: _figures({name: pairs[name] for name, listed in kinds.items() if kind in listed}, every)
        for kind, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    }


def _figures(pairs: Mapping[str, Pair], every: Sequence[str]) -> dict[str, Any]:
    """Of some questions; every: all of them, in order."""
    score = ratio_score([pairs.get(name) for name in every])
    return {"value": score.value, "interval": list(score.interval()), "n": len(pairs)}
