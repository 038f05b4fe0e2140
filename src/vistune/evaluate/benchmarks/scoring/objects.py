"""Objects that a description names and the picture does not show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.strict_yaml import read_yaml
from vistune.evaluate.benchmarks.scoring.texts import words
from vistune.evaluate.metrics import Score, object_hallucination

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec, Given

_WORDS = Path(__file__).with_name("coco_words.yaml")
# "An orange" is a fruit where no noun follows; "an orange ring" and "orange and white" are colours.
_FRUIT = r"""
    orange(?=\s+(?:slices?|wedges?|segments?|peel)\b)
    | (?:an|one|the|this|that|each|half|whole|ripe|fresh|peeled|sliced|cut)\s+orange (?=
        \s*(?:[.,;:!?)]|$)
        | \s+(?:on|in|at|of|to|from|for|with|near|next|beside|by|under|behind|above|inside|is|are|was|sits|lies|that)\b
        | \s+(?:and|or)\s+(?!(?:red|blue|green|yellow|black|white|brown|gr[ae]y|pink|purple|gold|silver|tan|beige)\b)
    )
"""
_ORANGE = re.compile(rf"(?<![\w-]) (?: ({_FRUIT}) | orange ) (?![\w-])", re.IGNORECASE | re.VERBOSE)
# Keeps the words around it apart: a hot orange dog is no hot dog.
_NOTHING = "…"


def made_up(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """CHAIR-i and its fellows over COCO's 80 kinds of objects."""
    present = [example.references for example in examples]
    said = [without_colours(text) for text in words(benchmark, examples, answers)]
    return object_hallucination(said, present, coco_words())


def without_colours(text: str) -> str:
    """The text without the colour orange, which is no fruit."""
    return _ORANGE.sub(lambda found: found[1] or _NOTHING, text)


@lru_cache(maxsize=1)
def coco_words() -> dict[str, tuple[str, ...]]:
    """The words for each of COCO's kinds of objects, its own name among them."""
    content, _ = read_yaml(_WORDS)
    return {name: (name, *(more or ())) for name, more in content.items()}
