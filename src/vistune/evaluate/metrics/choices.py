"""Questions with options: the letter in an answer, accuracy, and ScienceQA's table."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from vistune.errors import InputError
from vistune.evaluate.metrics.checks import check_pairs, check_texts
from vistune.evaluate.metrics.score import Score, mean_score

_SAID = re.compile(r"The answer is ([A-Z]).")  # the last of these may be anything but a line break, as published
_FEWEST_LETTERS = 5  # the published evaluator knows options A to E for every question

COLUMNS = ("NAT", "SOC", "LAN", "TXT", "IMG", "NO", "G1-6", "G7-12")
"""ScienceQA's columns: subjects; text, picture or neither as context; grades (Lu et al. 2022, table 4)."""

_SUBJECTS = {"NAT": "natural science", "SOC": "social science", "LAN": "language science"}
_GRADES = {"G1-6": range(1, 7), "G7-12": range(7, 13)}


def extract_choice(text: str, n_choices: int) -> int | None:
    """The option that an answer names, as LLaVA's evaluator of ScienceQA reads it; None if it names none.

    The answer is a letter alone; or begins with a letter, a period and a space; or says "The answer is X." just once.

    Args:
        n_choices: number of options; the letter of another one is no answer.

    Raises:
        InputError: fewer than one or more than 26 options.
    """
    if not 1 <= n_choices <= len(string.ascii_uppercase):
        raise InputError(f"A question has {n_choices} options; expected 1 to 26.")
    known = string.ascii_uppercase[: max(n_choices, _FEWEST_LETTERS)]
    if len(text) == 1 and text in known:
        letter = text
    elif text[:1] and text[0] in known and text[1:3] == ". ":
        letter = text[0]
    else:
        said = _SAID.findall(text)
        letter = said[0] if len(said) == 1 else ""
    place = string.ascii_uppercase.find(letter) if letter else -1
    return place if 0 <= place < n_choices else None


def choice_accuracy(predictions: Sequence[int | None], references: Sequence[int]) -> Score:
    """Share of questions whose option was chosen, in percent; options count from 0, None is no choice.

    Raises:
        InputError: lengths differ, or there is nothing to score.
    """
    check_pairs(predictions, references)
    scores = [100.0 * (chosen == right) for chosen, right in zip(predictions, references, strict=True)]
    return mean_score(scores, unparsed=sum(chosen is None for chosen in predictions))


def scienceqa(predictions: Sequence[str], references: Sequence[Mapping[str, Any] | int]) -> Score:
    """ScienceQA's accuracy in percent, with its eight columns in ``details`` where the data says what belongs there.

    An answer that names no option is wrong, as in LLaVA's evaluator, and counted in ``details["unparsed"]``. (The
    GPT-3 results of the data set's authors put a random option in its place.)

    Args:
        references: for each question ``answer_index`` (or ``answer``) and ``n_choices`` (or ``choices``); for the
            columns ``subject``, ``grade`` ("grade1" to "grade12" or a number), ``hint`` and ``image``. The right
            option alone will do where nothing else is known.

    Raises:
        InputError: lengths differ, there is nothing to score, or a question lacks its right option or their number.
    """
    check_texts(predictions, references)
    chosen, right = [], []
    rows = [
        row if isinstance(row, Mapping) else {"answer_index": row, "n_choices": _FEWEST_LETTERS} for row in references
    ]
    for place, (text, row) in enumerate(zip(predictions, rows, strict=True)):
        answer, n_choices = _question(row, place)
        chosen.append(extract_choice(text, n_choices))
        right.append(answer)
    score = choice_accuracy(chosen, right)
    score.details.update(_columns(score.per_sample, rows))
    return score


def _question(row: Mapping[str, Any], place: int) -> tuple[int, int]:
    answer: Any = row.get("answer_index", row.get("answer"))
    choices = row.get("choices")
    n_choices = row.get("n_choices", len(choices) if choices else None)
    whole = all(isinstance(number, Integral) and not isinstance(number, bool) for number in (answer, n_choices))
    if not whole or not 0 <= answer < n_choices:
        raise InputError(
            f"Reference {place} has answer_index {answer!r} of n_choices {n_choices!r}; expected whole numbers with "
            "0 <= answer_index < n_choices."
        )
    return int(answer), int(n_choices)


def _columns(scores: Sequence[float], references: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    members: dict[str, list[float]] = {column: [] for column in COLUMNS}
    for score, row in zip(scores, references, strict=True):
        for column in _columns_of(row):
            members[column].append(score)
    return {column: sum(found) / len(found) for column, found in members.items() if found}


def _columns_of(row: Mapping[str, Any]) -> list[str]:
    """A question may stand under text and picture both; what the row does not say puts it nowhere."""
    found = [column for column, subject in _SUBJECTS.items() if row.get("subject") == subject]
    if "hint" in row and "image" in row:
        found += ["TXT"] * bool(row["hint"]) + ["IMG"] * bool(row["image"])
        found += ["NO"] * (not row["hint"] and not row["image"])
    grade = str(row.get("grade", "")).removeprefix("grade")
    return found + [column for column, grades in _GRADES.items() if grade.isdigit() and int(grade) in grades]
