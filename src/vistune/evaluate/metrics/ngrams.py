"""N-grams of many captions at once, as arrays: what CIDEr and BLEU count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class NGrams:
    """The distinct n-grams of one order in each of C captions, sorted by caption and then n-gram.

    Args:
        caption, gram, count: (entries,): in which caption, which n-gram (an id shared by all captions), how often.
        num_grams: number of ids.
    """

    caption: Integers
    gram: Integers
    count: Integers
    num_grams: int


def words(captions: Sequence[Sequence[str]]) -> tuple[Integers, Integers]:
    """Captions as ids of words: (lengths (C,), ids of all words one after the other)."""
    lengths = np.fromiter(map(len, captions), np.int64, len(captions))
    ids: dict[str, int] = {}
    flat = [ids.setdefault(word, len(ids)) for word in chain.from_iterable(captions)]
    return lengths, np.array(flat, dtype=np.int64)


def count_ngrams(lengths: Integers, ids: Integers, largest: int) -> list[NGrams]:
    """The n-grams of orders 1 to ``largest`` of captions given by :func:`words`."""
    caption = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)[caption]  # (words,): where the caption of each word ends
    starts = np.arange(len(ids))
    num_words = int(ids.max()) + 1 if len(ids) else 1
    grams, num_grams, found = ids, num_words, []
    for order in range(1, largest + 1):
        if order > 1:
            # An n-gram is the one shorter by its last word, and that word.
            whole = starts + order <= ends[starts]
            starts = starts[whole]
            _, grams = np.unique(grams[whole] * num_words + ids[starts + order - 1], return_inverse=True)
            num_grams = int(grams.max()) + 1 if len(grams) else 1
        keys, counts = np.unique(caption[starts] * num_grams + grams, return_counts=True)
        found.append(NGrams(keys // num_grams, keys % num_grams, counts, num_grams))
    return found


def distinct(values: Integers) -> Integers:
    """The values without repeats, sorted; by sorting, which takes a sixth of the time of NumPy's hash table here."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered
