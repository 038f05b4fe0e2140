"""MMBench's circular rounds: each question once for every place that its choices can be turned to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vistune.data.sources.mmbench import ROUND

if TYPE_CHECKING:
    from vistune.data.example import Example


def question_of(example: Example) -> str:
    """The question that a row is one round of, by the release's numbers: 3000017 is a round of 17."""
    name = example.id.partition("#")[0]
    return str(int(name) % ROUND) if name.isdecimal() else name


def circular_rounds(examples: Sequence[Example]) -> list[Example]:
    """Every question with its choices turned by 0, 1, ... places (MMBench section 4).

    Files that hold the rounds already, as rows of their own, are left as they are.
    """
    if any(int(example.id) >= ROUND for example in examples if example.id.isdecimal()):
        return list(examples)
    return [turned for example in examples for turned in _turned(example)]


def _turned(example: Example) -> list[Example]:
    rounds = []
    for turn in range(len(example.choices)):
        choices = example.choices[turn:] + example.choices[:turn]
        number = str(int(example.id) + turn * ROUND) if example.id.isdecimal() else f"{example.id}#{turn}"
        rounds.append(replace(example, id=number if turn else example.id, choices=choices, candidates=choices))
    return rounds
