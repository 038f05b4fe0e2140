"""Scores of single answers and their means, as pure functions."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without punctuation and articles, single spaces: what exact match compares."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 if the normalised answer is one of the references, else 0."""
    return float(normalise(answer) in {normalise(reference) for reference in references})


def phrase_f1(text: str, reference: str) -> float:
    """F1 of the phrases between " and ": the share of objects that a caption names right, wherever they stand in it."""
    said = Counter(normalise(phrase) for phrase in text.split(" and "))
    wanted = Counter(normalise(phrase) for phrase in reference.split(" and "))
    return 2 * (said & wanted).total() / (said.total() + wanted.total())


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; NaN of nothing."""
    return sum(values) / len(values) if values else math.nan


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean of independent scores; for right and wrong ones sqrt(p (1 - p) / n)."""
    if not values:
        return math.nan
    centre = mean(values)
    return math.sqrt(sum((value - centre) ** 2 for value in values)) / len(values)
