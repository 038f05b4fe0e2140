"""Exact match, edit distance and what the picture world's figures are made of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vistune.errors import InputError
from vistune.evaluate.metrics import anls, exact_match, matches, mean, normalise, phrase_f1, standard_error
from vistune.evaluate.metrics.texts import edit_distance


def test_exact_match_forgives_case_articles_and_punctuation() -> None:
    assert normalise("  The Red, ring. ") == "red ring"
    assert matches("A red ring", ["ring", "red ring!"]) == 1
    assert matches("red", ["red ring"]) == 0


def test_captions_are_scored_by_the_objects_they_name() -> None:
    truth = "a red ring at the top left and a small star at the center"
    assert phrase_f1(truth, truth) == 1
    assert phrase_f1("a small star at the center and a red ring at the top left", truth) == 1
    assert phrase_f1("a red ring at the top left", truth) == pytest.approx(2 / 3)
    assert phrase_f1("", truth) == 0


def test_standard_error_is_that_of_a_share() -> None:
    scores = [1.0] * 80 + [0.0] * 20
    assert mean(scores) == 0.8
    assert standard_error(scores) == pytest.approx(math.sqrt(0.8 * 0.2 / 100))


def slow_distance(a: str, b: str) -> int:
    """The textbook table, row by row."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]


@given(st.text("abcé", max_size=80), st.text("abcé", max_size=80))
def test_edit_distance_is_the_textbook_one(a: str, b: str) -> None:
    assert edit_distance(a, b) == slow_distance(a, b)


def test_anls_takes_the_best_answer_and_nothing_below_a_half() -> None:
    score = anls(["Kitten", "abcd", "ab", ""], [["sitting", "mitten "], "abxy", ["xyzz"], "x"])
    assert score.per_sample == pytest.approx([5 / 6, 0.5, 0, 0])
    assert score.value == pytest.approx((5 / 6 + 0.5) / 4)


def test_exact_match_is_in_percent_on_normal_forms() -> None:
    score = exact_match(["The Dog.", "two", "cat"], ["dog", ["2", "3"], "cats"])
    assert (score.per_sample, score.n) == ([100, 100, 0], 3)
    assert score.value == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("predictions", "references", "said"),
    [
        (["a"], ["a", "b"], "1 predictions for 2 references"),
        ([], [], "no predictions"),
        ("a", ["a"], "one text"),
        ([None], ["a"], "Prediction 0 is None"),
        (["a"], [[]], "Reference 0 holds 0 texts"),
        (["a"], [[7]], "Reference 0 is"),
    ],
)
def test_what_cannot_be_scored_is_refused(predictions: list[str], references: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        exact_match(predictions, references)
