"""CIDEr, BLEU and ROUGE-L as the COCO caption evaluator computes them (github.com/tylin/coco-caption)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vistune.evaluate.metrics.checks import check_answers
from vistune.evaluate.metrics.ngrams import Integers, NGrams, count_ngrams, distinct, words
from vistune.evaluate.metrics.ptb import tokenize_lines
from vistune.evaluate.metrics.resampling import Weights
from vistune.evaluate.metrics.score import Score, mean_score

Floats = NDArray[np.float64]

_ORDERS = 4
_SIGMA = 6.0
_BETA = 1.2
# Keep a figure of 0 where nothing matches, and divisions defined; part of the official figures.
_SMALL, _TINY = 1e-9, 1e-15


@dataclass(frozen=True)
class TokenizedCaptions:
    """One caption and its references for each of n pictures, as tokens: so that three metrics tokenise once."""

    predictions: list[list[str]]
    references: list[list[list[str]]]


def tokenize_captions(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> TokenizedCaptions:
    """Captions as the tokens that all three metrics compare.

    Raises:
        InputError: lengths differ, there is nothing to score, or a picture has no reference.
    """
    check_answers(predictions, references)
    tokens = iter(tokenize_lines([text for texts in references for text in texts]))
    return TokenizedCaptions(tokenize_lines(predictions), [list(islice(tokens, len(texts))) for texts in references])


def cider(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """CIDEr-D (Vedantam et al. 2015), about 0..10 with 1 as good as people; document frequencies of the references.

    Raises:
        InputError: as :func:`tokenize_captions`.
    """
    return cider_of_tokens(tokenize_captions(predictions, references))


def bleu(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """BLEU-4 of the corpus with the closest reference length, 0..1; details hold bleu_1 to bleu_4.

    Raises:
        InputError: as :func:`tokenize_captions`.
    """
    return bleu_of_tokens(tokenize_captions(predictions, references))


def rouge_l(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """ROUGE-L, 0..1: F with beta 1.2 of the best precision and the best recall among the references.

    Raises:
        InputError: as :func:`tokenize_captions`.
    """
    return rouge_l_of_tokens(tokenize_captions(predictions, references))


def cider_of_tokens(captions: TokenizedCaptions) -> Score:
    """CIDEr of captions that are tokens already."""
    flat = _flatten(captions)
    num_pictures = len(captions.predictions)
    # The published code takes the number of bigrams for a caption's length.
    lengths = np.maximum(flat.lengths - 1, 0)
    difference = lengths[flat.picture[num_pictures:]] - lengths[num_pictures:]
    penalty = np.exp(-(difference**2) / (2 * _SIGMA**2))
    total = np.zeros(len(penalty))  # (references,)
    for grams in flat.grams:
        total += _cosines(grams, flat.picture, num_pictures) * penalty
    sums = np.bincount(flat.picture[num_pictures:], weights=total, minlength=num_pictures)
    num_references = np.bincount(flat.picture[num_pictures:], minlength=num_pictures)
    return mean_score((10 * sums / _ORDERS / num_references).tolist())


def bleu_of_tokens(captions: TokenizedCaptions) -> Score:
    """BLEU of captions that are tokens already."""
    flat = _flatten(captions)
    num_pictures = len(captions.predictions)
    said = flat.lengths[:num_pictures]
    matched = np.stack([_clipped_matches(grams, flat.picture, num_pictures) for grams in flat.grams], axis=1)
    possible = np.maximum(said[:, None] - np.arange(_ORDERS), 0)
    closest = _closest_lengths(said, flat.lengths[num_pictures:], flat.picture[num_pictures:])
    # (n, 10): what a corpus figure needs is the sum of these over its samples.
    parts = np.column_stack([matched, possible, said, closest]).astype(np.float64)

    def figures(weights: Weights) -> Floats:
        return _bleu(weights @ parts)[:, -1]

    corpus = _bleu(parts.sum(axis=0, keepdims=True))[0]
    details = {f"bleu_{order}": float(value) for order, value in enumerate(corpus, start=1)}
    columns = {f"bleu_{order}": values.tolist() for order, values in enumerate(_bleu(parts).T, start=1)}
    return Score(float(corpus[-1]), columns[f"bleu_{_ORDERS}"], details, columns, figures)


def rouge_l_of_tokens(captions: TokenizedCaptions) -> Score:
    """ROUGE-L of captions that are tokens already."""
    pairs = zip(captions.predictions, captions.references, strict=True)
    return mean_score([_rouge_l(prediction, references) for prediction, references in pairs])


@dataclass(frozen=True)
class _Flat:
    """All captions in one row: the n predictions, then all references; ``picture`` (captions,) says whose each is."""

    picture: Integers
    lengths: Integers
    grams: list[NGrams]


def _flatten(captions: TokenizedCaptions) -> _Flat:
    per_picture = np.array([len(texts) for texts in captions.references])
    pictures = np.arange(len(per_picture))
    # A token may hold a no-break space (1 1/2); the published scorers split there, ROUGE-L does not.
    texts = [*captions.predictions, *(text for texts in captions.references for text in texts)]
    split = [" ".join(text).split() if any("\xa0" in token for token in text) else text for text in texts]
    lengths, ids = words(split)
    return _Flat(np.concatenate([pictures, np.repeat(pictures, per_picture)]), lengths, count_ngrams(lengths, ids, 4))


def _cosines(grams: NGrams, picture: Integers, num_pictures: int) -> Floats:
    """(references,): similarity of each reference to its picture's prediction by n-grams of one order."""
    is_reference = grams.caption >= num_pictures
    in_documents = distinct(picture[grams.caption[is_reference]] * grams.num_grams + grams.gram[is_reference])
    frequency = np.bincount(in_documents % grams.num_grams, minlength=grams.num_grams)
    rarity = np.log(num_pictures) - np.log(np.maximum(frequency, 1))
    weight = grams.count * rarity[grams.gram]  # (entries,)
    norm = np.sqrt(np.bincount(grams.caption, weights=weight**2, minlength=len(picture)))
    place = _find_in_prediction(grams, picture, is_reference)
    said = np.where(place >= 0, weight[place], 0.0)
    overlap = np.where(place >= 0, np.minimum(said, weight[is_reference]), 0.0) * weight[is_reference]
    products = np.bincount(grams.caption[is_reference], weights=overlap, minlength=len(picture))[num_pictures:]
    norms = norm[num_pictures:] * norm[picture[num_pictures:]]
    # Where a norm is 0, so is the product.
    return np.asarray(products / np.where(norms == 0, 1.0, norms))


def _find_in_prediction(grams: NGrams, picture: Integers, is_reference: NDArray[np.bool_]) -> Integers:
    """(entries of references,): the entry of the same n-gram in the prediction for that picture, -1 if it has none."""
    # Predictions are captions 0..n-1 and so the first entries, sorted by these keys.
    keys = grams.caption[~is_reference] * grams.num_grams + grams.gram[~is_reference]
    wanted = picture[grams.caption[is_reference]] * grams.num_grams + grams.gram[is_reference]
    if not len(keys):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def _clipped_matches(grams: NGrams, picture: Integers, num_pictures: int) -> Integers:
    """(n,): n-grams of each prediction, each counted at most as often as in the reference that has most of it."""
    is_reference = grams.caption >= num_pictures
    place = _find_in_prediction(grams, picture, is_reference)
    most = np.zeros(int((~is_reference).sum()), dtype=np.int64)
    np.maximum.at(most, place[place >= 0], grams.count[is_reference][place >= 0])
    clipped = np.minimum(most, grams.count[~is_reference])
    return np.bincount(grams.caption[~is_reference], weights=clipped, minlength=num_pictures).astype(np.int64)


def _closest_lengths(said: Integers, references: Integers, picture: Integers) -> Integers:
    """(n,): length of the reference nearest to the prediction's length; the shorter of two as near."""
    far = np.abs(references - said[picture])
    order = np.lexsort((references, far, picture))
    first = np.searchsorted(picture[order], np.arange(len(said)))
    return references[order][first]


def _bleu(parts: Floats) -> Floats:
    """BLEU-1..4 of each row of summed parts: (rows, 10) to (rows, 4)."""
    matched, possible, said, closest = parts[:, :4], parts[:, 4:8], parts[:, 8], parts[:, 9]
    product = np.cumprod((matched + _TINY) / (possible + _SMALL), axis=1)
    ratio = (said + _TINY) / (closest + _SMALL)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1.0)
    return np.asarray(product ** (1 / np.arange(1, _ORDERS + 1)) * brevity[:, None])


def _rouge_l(prediction: list[str], references: list[list[str]]) -> float:
    said = prediction or [""]  # as published: no words are one empty word
    precision = recall = 0.0
    for reference in references:
        wanted = reference or [""]
        common = longest_common(said, wanted)
        precision, recall = max(precision, common / len(said)), max(recall, common / len(wanted))
    if not precision or not recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel over ``a`` (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for index, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << index
    everywhere = (1 << len(a)) - 1
    open_places = everywhere
    for word in b:
        hit = open_places & places.get(word, 0)
        open_places = (open_places + hit | open_places - hit) & everywhere
    return len(a) - open_places.bit_count()
