"""CIDEr, BLEU and ROUGE-L against the official caption evaluator, corpus and single pictures."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluate.metrics.truth import load, needs_truth

from vistune.errors import InputError
from vistune.evaluate.metrics import bleu, cider, rouge_l
from vistune.evaluate.metrics.captions import (
    TokenizedCaptions,
    bleu_of_tokens,
    cider_of_tokens,
    longest_common,
    rouge_l_of_tokens,
)


@needs_truth
def test_a_real_corpus_equals_the_official_figures_from_raw_text() -> None:
    truth = load("coco_caption/fakecap_val2017_subset.json")
    pictures = list(truth["references"])
    captions = {str(row["image_id"]): row["caption"] for row in truth["results"]}
    predictions = [captions[picture] for picture in pictures]
    references = [truth["references"][picture] for picture in pictures]
    scores = {"CIDEr": cider(predictions, references), "ROUGE_L": rouge_l(predictions, references)}
    for name, score in scores.items():
        assert score.value == pytest.approx(truth["expected"][name], abs=1e-9)
        per_picture = [truth["expected_per_image"][picture][name] for picture in pictures]
        assert score.per_sample == pytest.approx(per_picture, abs=1e-9)
    score = bleu(predictions, references)
    for order in range(1, 5):
        assert score.details[f"bleu_{order}"] == pytest.approx(truth["expected"][f"Bleu_{order}"], abs=1e-9)
        per_picture = [truth["expected_per_image"][picture][f"Bleu_{order}"] for picture in pictures]
        assert score.columns[f"bleu_{order}"] == pytest.approx(per_picture, abs=1e-9)
    assert score.value == score.details["bleu_4"]


@needs_truth
@pytest.mark.parametrize("case", ["good", "bad"])
def test_the_published_examples(case: str) -> None:
    truth = load("coco_caption/clipscore_examples.json")
    references = list(truth["references"].values())
    predictions = list(truth["cases"][case]["candidates"].values())
    published = truth["cases"][case]["published"]
    assert cider(predictions, references).value == pytest.approx(published["CIDER"], abs=5e-5)
    assert rouge_l(predictions, references).value == pytest.approx(published["ROUGE"], abs=5e-5)
    details = bleu(predictions, references).details
    assert [details[f"bleu_{k}"] for k in (1, 2, 3, 4)] == pytest.approx(
        [published[f"BLEU-{k}"] for k in (1, 2, 3, 4)], abs=5e-5
    )


def grams(words: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[place : place + order]) for place in range(len(words) - order + 1))


def slow_cider(captions: TokenizedCaptions) -> list[float]:
    """The formula of Vedantam et al. 2015, section 8, one picture after the other."""
    documents: Counter[tuple[str, ...]] = Counter()
    for references in captions.references:
        documents.update({gram for words in references for order in (1, 2, 3, 4) for gram in grams(words, order)})
    total = math.log(len(captions.predictions))

    def weights(words: list[str], order: int) -> dict[tuple[str, ...], float]:
        found = grams(words, order)
        return {gram: count * (total - math.log(max(1, documents[gram]))) for gram, count in found.items()}

    scores = []
    for said, references in zip(captions.predictions, captions.references, strict=True):
        score = 0.0
        for words in references:
            difference = max(len(said) - 1, 0) - max(len(words) - 1, 0)
            for order in (1, 2, 3, 4):
                a, b = weights(said, order), weights(words, order)
                norm = math.hypot(*a.values()) * math.hypot(*b.values())
                overlap = sum(min(a[gram], b[gram]) * b[gram] for gram in a if gram in b)
                score += math.exp(-(difference**2) / 72) * (overlap / norm if norm else 0)
        scores.append(10 * score / 4 / len(references))
    return scores


captions_of_few_words = st.lists(st.sampled_from("abcd"), max_size=8)
corpora = st.lists(
    st.tuples(captions_of_few_words, st.lists(captions_of_few_words, min_size=1, max_size=3)), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(corpora)
def test_cider_of_arrays_is_the_formula(corpus: list[tuple[list[str], list[list[str]]]]) -> None:
    captions = TokenizedCaptions([said for said, _ in corpus], [references for _, references in corpus])
    assert cider_of_tokens(captions).per_sample == pytest.approx(slow_cider(captions), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(captions_of_few_words, captions_of_few_words)
def test_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert longest_common(a, b) == table[-1][-1]


def test_captions_without_words_have_figures() -> None:
    captions = TokenizedCaptions([[], ["a"]], [[["a", "b"]], [[]]])
    assert cider_of_tokens(captions).per_sample == [0, 0]
    assert bleu_of_tokens(captions).value == pytest.approx(0, abs=1e-6)
    assert rouge_l_of_tokens(captions).per_sample == [0, 0]


def test_bleu_of_a_resample_is_that_of_the_corpus_it_stands_for() -> None:
    predictions = ["a cat sits on a mat here", "two dogs run fast on grass", "a red bus"]
    references = [["a cat sat on a mat here"], ["two dogs run on the grass"], ["a red bus on a street", "the bus"]]
    score = bleu(predictions, references)
    twice = bleu([predictions[0], predictions[0], predictions[1]], [references[0], references[0], references[1]])
    import numpy as np

    assert score.resampled(np.array([[2.0, 1, 0], [1, 1, 1]])) == pytest.approx([twice.value, score.value])


def test_a_picture_without_references_is_refused() -> None:
    with pytest.raises(InputError, match="Reference 1 holds 0 texts"):
        cider(["a", "b"], [["a"], []])
