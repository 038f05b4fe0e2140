"""Columns by whose values a figure is told apart: those that the rows of a benchmark have, and a person's own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vistune.data.counting import count_of
from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.data.example import Example

PARTS = "part of the data"
"""The column of the parts that the data itself has: POPE's categories, ScienceQA's eight columns, MME's tasks."""

_MOST_VALUES = 24
_MOST_OPENINGS = 8
_OTHERS = "(others)"
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
_FORMS_WITH_QUESTIONS = ("question", "long", "choice", "yes_no")


@dataclass(frozen=True)
class Column:
    """A column and which rows have which of its values.

    Args:
        name: as a person reads it. rows: for each value (n,), true where a row has it; a row may have several.
    """

    name: str
    rows: dict[str, NDArray[np.bool_]]


def columns_of(form: str, examples: Sequence[Example], own: Mapping[str, Sequence[str]] | None = None) -> list[Column]:
    """Every column with at least two values, a person's own first.

    Args:
        form: of the benchmark. own: one entry a row for each column, "" where nothing is known.

    Raises:
        InputError: a column of a person's own has another length than the rows.
    """
    found = [_own(name, entries, len(examples)) for name, entries in (own or {}).items()]
    found.append(_column(PARTS, [example.parts for example in examples]))
    if form in _FORMS_WITH_QUESTIONS:
        openings = _common([_opening(example) for example in examples])
        found.append(_column("first word of the question", [(word,) for word in openings]))
        found.append(_column("kind of right answer", [(_kind(example),) for example in examples]))
    found.append(_column("number of choices", [_count(example.choices) for example in examples]))
    found.append(_column("earlier rounds", [(str(len(example.history)),) for example in examples]))
    texts = [("with" if example.ocr_tokens else "without",) for example in examples]
    found.append(_column("text read in the picture", texts))
    return [column for column in found if len(column.rows) > 1]


def _own(name: str, entries: Sequence[str], count: int) -> Column:
    if len(entries) != count:
        raise InputError(
            f"The column {name!r} has {count_of(len(entries), 'entry', 'entries')} for {count_of(count, 'row')}; give "
            "one a row."
        )
    return _column(name, [(entry,) for entry in entries])


def _column(name: str, values: Sequence[Sequence[str]]) -> Column:
    """The values of each row; the rarest of very many are taken together."""
    counts = Counter(value for row in values for value in row if value)
    kept = list(counts)
    if len(kept) > _MOST_VALUES:
        common = {value for value, _ in counts.most_common(_MOST_VALUES - 1)}
        values = [tuple(value if value in common else _OTHERS for value in row if value) for row in values]
        kept = [*(value for value in kept if value in common), _OTHERS]
    if all(value.isdecimal() for value in kept):
        kept.sort(key=int)
    return Column(name, {value: np.array([value in row for row in values]) for value in kept})


def _common(words: Sequence[str]) -> list[str]:
    """The most common ones as they are, the others as one."""
    common = {word for word, _ in Counter(words).most_common(_MOST_OPENINGS)}
    return [word if word in common else _OTHERS for word in words]


def _opening(example: Example) -> str:
    words = re.findall(r"\w+", (example.question or example.instruction).lower())
    return words[0] if words else ""


def _kind(example: Example) -> str:
    """VQA v2's kinds of answers: yes/no, number, other."""
    said = Counter(example.references or ((example.target,) if example.target else ()))
    if not said:
        return ""
    answer = said.most_common(1)[0][0].strip().lower()
    if answer in ("yes", "no"):
        return "yes/no"
    return "number" if _NUMBER.fullmatch(answer) else "other"


def _count(choices: Sequence[str]) -> tuple[str, ...]:
    return (str(len(choices)),) if choices else ()
