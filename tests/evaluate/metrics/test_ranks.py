"""Ranks of the right candidate and Visual Dialog's NDCG."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vistune.errors import InputError
from vistune.evaluate.metrics import retrieval_ranks


def test_figures_of_distinct_scores() -> None:
    scores = [[0.1, 0.9, 0.5], [3.0, 2.0, 1.0], [-1.0, -2.0, -0.5]]
    score = retrieval_ranks(scores, [1, 2, 0])
    assert score.columns["rank"] == [1, 3, 2]
    assert score.value == score.details["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 2) / 3)
    assert score.details["r@1"] == pytest.approx(1 / 3)
    assert score.details["r@5"] == score.details["r@10"] == 1
    assert score.details["mean_rank"] == 2
    assert "ndcg" not in score.details


def test_equal_scores_share_a_rank_or_take_the_last() -> None:
    scores = [[1.0, 1.0, 0.0, 1.0]]
    assert retrieval_ranks(scores, [1]).columns["rank"] == [2]
    assert retrieval_ranks(scores, [1], ties="last").columns["rank"] == [3]
    assert retrieval_ranks([[0.0] * 100], [0]).columns["rank"] == [50.5]


def official_ndcg(scores: list[float], relevance: list[float]) -> float:
    """The challenge's definition: gain of the k best ranked over that of the k best, k being the relevant ones."""
    k = sum(value != 0 for value in relevance)
    ranked = sorted(range(len(scores)), key=lambda place: -scores[place])
    best = sorted(range(len(scores)), key=lambda place: -relevance[place])

    def gain(order: list[int]) -> float:
        return sum(relevance[place] / math.log2(rank + 2) for rank, place in enumerate(order[:k]))

    return gain(ranked) / gain(best)


def test_ndcg_is_the_challenges_over_the_questions_that_have_relevance() -> None:
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(20.0), (6, 1)), axis=1).tolist()
    relevance = (rng.random((6, 20)).round(1) * (rng.random((6, 20)) < 0.3)).tolist()
    given = [row if place % 2 == 0 else None for place, row in enumerate(relevance)]
    expected = [official_ndcg(scores[place], relevance[place]) for place in (0, 2, 4)]
    for ties in ("mean", "last"):
        score = retrieval_ranks(scores, [0] * 6, relevance=given, ties=ties)  # type: ignore[arg-type]
        assert score.details["ndcg"] == pytest.approx(sum(expected) / 3)
        assert score.details["n_ndcg"] == 3


def test_ndcg_of_equal_scores_is_the_mean_of_their_orders_or_the_worst() -> None:
    orders = [official_ndcg([2.0, 1.0], [1.0, 0.0]), official_ndcg([1.0, 2.0], [1.0, 0.0])]
    found = retrieval_ranks([[5.0, 5.0]], [0], relevance=[[1.0, 0.0]])
    assert found.details["ndcg"] == pytest.approx(sum(orders) / 2)
    found = retrieval_ranks([[5.0, 5.0]], [0], relevance=[[1.0, 0.0]], ties="last")
    assert found.details["ndcg"] == pytest.approx(min(orders))


def test_rows_of_a_file_are_understood() -> None:
    rows = [{"answer_index": 0, "relevance": [1.0, 0.0]}, {"answer_index": 1}]
    score = retrieval_ranks([[2.0, 1.0], [2.0, 1.0]], rows)
    assert score.columns["rank"] == [1, 2]
    assert (score.details["ndcg"], score.details["n_ndcg"]) == (1, 1)


@pytest.mark.parametrize(
    ("scores", "right", "relevance", "said"),
    [
        ([[1.0, math.nan]], [0], None, "Question 0: score 1 is nan"),
        ([[1.0, math.inf]], [0], None, "score 1 is inf"),
        ([[1.0, 2.0]], [2], None, "answer_index 2 of 2 scores"),
        ([[1.0, 2.0]], [0], [[1.0]], "1 entry of relevance for 2 scores"),
        ([[1.0, 2.0]], [0], [[0.0, 0.0]], "no relevance above 0"),
        ([[1.0, 2.0]], [0], [], "0 entries of relevance for 1 question"),
    ],
)
def test_what_has_no_rank_is_refused(
    scores: list[list[float]], right: list[int], relevance: list[list[float]] | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        retrieval_ranks(scores, right, relevance=relevance)
