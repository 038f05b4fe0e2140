"""Which figure a set is measured by while a model trains, each from 0 to 1."""

from __future__ import annotations

import pytest

from vistune.data.catalogue import infos
from vistune.data.example import Example
from vistune.evaluate.measures import measure_of
from vistune.infer.ranking import Ranking

CAPTIONS = [
    Example("a", "c", answers=("a red ball on a table", "the red ball lies on a table")),
    Example("b", "c", answers=("two dogs run in the snow", "dogs are running through snow")),
]
CHOICES = [
    Example("a", "q", target="red", candidates=("red", "blue")),
    Example("b", "q", target="blue", candidates=("red", "blue")),
]


def ranking(*scores: float) -> Ranking:
    return Ranking(("red", "blue"), list(scores))


def test_captions_by_cider_cut_off_at_two() -> None:
    measure = measure_of("CIDEr", CAPTIONS)
    assert measure is not None and measure.score_texts is not None
    assert measure.score_texts([row.answers[0] for row in CAPTIONS], CAPTIONS) == 1.0
    assert measure.score_texts(["x y z", "u v w"], CAPTIONS) == 0.0


def test_people_vote_on_answers() -> None:
    rows = [Example("a", "v", answers=("cat",) * 3 + ("dog",) * 7), Example("b", "v", answers=("cat",) * 10)]
    measure = measure_of("VQA accuracy", rows)
    assert measure is not None and measure.score_texts is not None
    assert measure.score_texts(["cat", "cat"], rows) == pytest.approx((0.9 + 1) / 2)


def test_candidates_are_ranked() -> None:
    measure = measure_of("accuracy", CHOICES)
    assert measure is not None and measure.score_rankings is not None
    assert measure.score_rankings([ranking(-1, -2), ranking(-1, -2)], CHOICES) == 0.5
    reciprocal = measure_of("MRR", CHOICES)
    assert reciprocal is not None and reciprocal.score_rankings is not None
    assert reciprocal.score_rankings([ranking(-1, -2), ranking(-1, -2)], CHOICES) == 0.75
    area = measure_of("ROC AUC", CHOICES)
    assert area is not None and area.score_rankings is not None
    assert area.score_rankings([ranking(-1, -2), ranking(-2, -1)], CHOICES) == 1.0


def test_one_right_answer_by_exact_match_and_nothing_without_one() -> None:
    rows = [Example("a", "g", target="Two dogs")]
    measure = measure_of("accuracy", rows)
    assert measure is not None and measure.score_texts is not None
    assert measure.score_texts(["two dogs."], rows) == 1.0
    assert measure_of("-", rows) is None


def test_every_metric_of_the_catalogue_is_known() -> None:
    rows = [Example("a", "x", target="a", answers=("a",) * 5, candidates=("a", "b"))]
    for info in infos():
        assert info.metric == "-" or measure_of(info.metric, rows) is not None, info.name
