"""Single answers against accepted ones: exact match, edit distance, phrases."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from vistune.evaluate.metrics.checks import as_lists, check_answers, check_pairs
from vistune.evaluate.metrics.score import Score, mean_score
from vistune.evaluate.metrics.vqa_text import normalize_vqa_answer

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(predictions: Sequence[str], references: Sequence[str | Sequence[str]]) -> Score:
    """GQA's exact match in percent, on answers in VQA's normal form (as InstructBLIP's evaluator compares them).

    Args:
        references: the right answer of each question, or several of which one must be matched.

    Raises:
        InputError: lengths differ, there is nothing to score, or a question has no answer.
    """
    check_pairs(predictions, references)
    accepted = as_lists(references)
    check_answers(predictions, accepted)
    scores = []
    for prediction, answers in zip(predictions, accepted, strict=True):
        wanted = normalize_vqa_answer(prediction)
        scores.append(100.0 * any(normalize_vqa_answer(answer) == wanted for answer in answers))
    return mean_score(scores)


def anls(predictions: Sequence[str], references: Sequence[str | Sequence[str]], *, threshold: float = 0.5) -> Score:
    """Average normalised Levenshtein similarity, 0..1 (Biten et al. 2019): best of the accepted answers.

    1 - edits / length of the longer text, after lower case and without outer spaces; below the threshold it is 0.

    Raises:
        InputError: lengths differ, there is nothing to score, or a question has no answer.
    """
    check_pairs(predictions, references)
    accepted = as_lists(references)
    check_answers(predictions, accepted)
    scores = []
    for prediction, answers in zip(predictions, accepted, strict=True):
        best = max(_similarity(prediction, answer) for answer in answers)
        scores.append(best if best >= threshold else 0.0)
    return mean_score(scores)


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance in characters, bit-parallel over the first text (Myers 1999, Hyyrö 2003)."""
    if not a:
        return len(b)
    last = 1 << (len(a) - 1)
    everywhere = (1 << len(a)) - 1
    places: dict[str, int] = {}
    for index, character in enumerate(a):
        places[character] = places.get(character, 0) | 1 << index
    up, down, distance = everywhere, 0, len(a)
    for character in b:
        equal = places.get(character, 0)
        diagonal = (((equal & up) + up) ^ up) | equal | down
        right_up = down | ~(diagonal | up) & everywhere
        right_down = up & diagonal
        distance += bool(right_up & last) - bool(right_down & last)
        right_up = right_up << 1 | 1
        right_down = right_down << 1
        up = (right_down | ~(diagonal | right_up)) & everywhere
        down = right_up & diagonal & everywhere
    return distance


def _similarity(prediction: str, answer: str) -> float:
    a, b = prediction.lower().strip(), answer.lower().strip()
    longer = max(len(a), len(b))
    return 1 - edit_distance(a, b) / longer if longer else 1.0


def normalise(text: str) -> str:
    """Lower case, without punctuation and articles, single spaces: what :func:`matches` compares."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def matches(answer: str, references: Sequence[str]) -> float:
    """1 if the normalised answer is one of the references, else 0."""
    return float(normalise(answer) in {normalise(reference) for reference in references})


def phrase_f1(text: str, reference: str) -> float:
    """F1 of the phrases between " and ": the share of objects that a caption names right, wherever they stand in it."""
    said = Counter(normalise(phrase) for phrase in text.split(" and "))
    wanted = Counter(normalise(phrase) for phrase in reference.split(" and "))
    return 2 * (said & wanted).total() / (said.total() + wanted.total())
