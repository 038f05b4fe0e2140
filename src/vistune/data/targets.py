"""How the words that are learned are put: as the rows have them, or as LAVIS's training puts captions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vistune.data.example import Example

Targets = Literal["as_written", "blip_caption"]
"""What a recipe may name (`vistune.data.recipe.DataRecipe.targets`)."""

LEFT_OUT = '.!"()*#:;~'
"""Signs that `blip_caption` takes out."""
_SIGNS = re.compile(f"[{re.escape(LEFT_OUT)}]")
_MOST_WORDS = 50


def blip_caption(text: str) -> str:
    """A caption as BLIP-2 reads it in training and evaluation (LAVIS blip_processors.py, BlipCaptionProcessor).

    Lower case; each sign of `LEFT_OUT` a space; two or more white spaces in a row one space, while a tab or line break
    by itself stays; nothing but words at both ends; the first 50 words.
    """
    spaced = re.sub(r"\s{2,}", " ", _SIGNS.sub(" ", text.lower()))
    return " ".join(spaced.rstrip("\n").strip(" ").split(" ")[:_MOST_WORDS])


def target_words(text: str, targets: Targets) -> str:
    """What is learned of a target."""
    return blip_caption(text) if targets == "blip_caption" else text


def with_target_words(example: Example, targets: Targets) -> Example:
    """The example with its target, and the answers of its turns, as they are learned."""
    if targets == "as_written":
        return example
    turns = tuple((question, target_words(answer, targets)) for question, answer in example.turns)
    target = None if example.target is None else target_words(example.target, targets)
    return replace(example, target=target, turns=turns)
