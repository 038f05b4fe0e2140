"""The answer in what a model wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from vistune.evaluate.metrics import extract_choice, normalize_evalai_answer, normalize_vqa_answer

if TYPE_CHECKING:
    from vistune.data.example import Example

Extract = Literal["text", "line", "evalai", "letter", "choice"]
"""All of it; its first line; all of it in EvalAI's form; the choice whose letter it names (LLaVA's ScienceQA rule); the
choice that it is in words, or else by its letter."""

_LETTERED = re.compile(r"\(?([A-Za-z])[).:]?(?:\s|$)")


def extracted(kind: Extract, text: str, example: Example) -> str:
    """The answer; of choices the choice's own words, "" where the text names none.

    Args:
        example: the benchmark's row, not yet in words.
    """
    said = text.strip()
    if kind == "text":
        return said
    if kind == "line":
        return said.partition("\n")[0].strip()
    if kind == "evalai":
        return normalize_evalai_answer(said)
    if kind == "choice":
        return _in_words(said, example.choices) or _by_letter(said, example.choices)
    place = extract_choice(said, len(example.choices)) if example.choices else None
    return "" if place is None else example.choices[place]


def _in_words(said: str, choices: tuple[str, ...]) -> str:
    plain = normalize_vqa_answer(said)
    return next((choice for choice in choices if plain and normalize_vqa_answer(choice) == plain), "")


def _by_letter(said: str, choices: tuple[str, ...]) -> str:
    """ "(b)", "(b) blue", "B." and "b" name the second choice."""
    found = _LETTERED.match(said)
    place = ord(found[1].lower()) - ord("a") if found else len(choices)
    return choices[place] if place < len(choices) else ""
