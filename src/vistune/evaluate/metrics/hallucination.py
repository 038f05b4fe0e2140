"""Objects that captions name and pictures do not show, after CHAIR (Rohrbach et al. 2018)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from vistune.errors import InputError
from vistune.evaluate.metrics.checks import check_texts
from vistune.evaluate.metrics.resampling import Weights
from vistune.evaluate.metrics.score import Score


def object_hallucination(
    predictions: Sequence[str], references: Sequence[Collection[str]], objects: Mapping[str, Collection[str]]
) -> Score:
    """Percentage of the objects named that are not there (CHAIR-i); details: chair_s, the percentage of captions
    with at least one such, recall of the objects that are there, and the number of mentions.

    As in the published code an object counts each time it is named. A longer name hides the shorter ones in it ("hot
    dog" is no dog), and words with a hyphen name nothing but what they are as a whole ("hot-dog", not "dog-like").

    Args:
        references: the objects of each picture.
        objects: the words that stand for each object that is looked for; plurals with s and es are understood.

    Raises:
        InputError: lengths differ, there is nothing to score, or a picture has an object that is not looked for.
    """
    check_texts(predictions, references)
    unknown = sorted({name for present in references for name in present} - set(objects))
    if unknown:
        raise InputError(f"The references name {unknown[0]!r}, for which there are no words; add it to the objects.")
    find = _finder(objects)
    said = [find(text) for text in predictions]
    wrong = [sum(name not in present for name in named) for named, present in zip(said, references, strict=True)]
    right = [len(set(named) & set(present)) for named, present in zip(said, references, strict=True)]
    mentions = [len(named) for named in said]
    there = sum(len(set(present)) for present in references)

    def figures(weights: Weights) -> Weights:
        return 100 * (weights @ wrong) / (weights @ mentions).clip(min=1)

    return Score(
        100 * sum(wrong) / max(sum(mentions), 1),
        [100 * bad / max(total, 1) for bad, total in zip(wrong, mentions, strict=True)],
        {
            "chair_i": 100 * sum(wrong) / max(sum(mentions), 1),
            "chair_s": 100 * sum(bad > 0 for bad in wrong) / len(wrong),
            "recall": 100 * sum(right) / max(there, 1),
            "mentions": sum(mentions),
        },
        figures=figures,
    )


def _finder(objects: Mapping[str, Collection[str]]) -> Callable[[str], list[str]]:
    """Reads the objects named in a text, in order, the longest words first."""
    object_of = {_spaced(word): name for name, words in objects.items() for word in words}
    longest_first = sorted(object_of, key=len, reverse=True)
    words = "|".join(re.escape(word).replace(r"\ ", r"[\s-]+") for word in longest_first)
    pattern = re.compile(rf"(?<![\w-])({words})(?:s|es)?(?![\w-])")

    def find(text: str) -> list[str]:
        return [object_of[_spaced(match[1])] for match in pattern.finditer(text.lower())]

    return find


def _spaced(words: str) -> str:
    """Words with single spaces between them, hyphens too ("hot-dog")."""
    return re.sub(r"[\s-]+", " ", words.lower())
