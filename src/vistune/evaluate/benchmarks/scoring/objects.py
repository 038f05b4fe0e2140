"""Objects that a description names and the picture does not show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.strict_yaml import read_yaml
from vistune.evaluate.benchmarks.scoring.texts import words
from vistune.evaluate.metrics import Score, object_hallucination

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.base import Benchmark, Given

_WORDS = Path(__file__).with_name("coco_words.yaml")


def made_up(benchmark: Benchmark, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """CHAIR-i and its fellows over COCO's 80 kinds of objects."""
    present = [example.references for example in examples]
    return object_hallucination(words(benchmark, examples, answers), present, coco_words())


@lru_cache(maxsize=1)
def coco_words() -> dict[str, tuple[str, ...]]:
    """The words for each of COCO's kinds of objects, its own name among them."""
    content, _ = read_yaml(_WORDS)
    return {name: (name, *(more or ())) for name, more in content.items()}
