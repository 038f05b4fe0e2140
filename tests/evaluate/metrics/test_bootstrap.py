"""Intervals and paired differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vistune.errors import InputError
from vistune.evaluate.metrics import Score, compare_scores, interval
from vistune.evaluate.metrics.score import mean_score


def coins(number: int, share: float, seed: int) -> Score:
    return mean_score((np.random.default_rng(seed).random(number) < share).astype(float).tolist())


def test_an_interval_is_as_wide_as_the_normal_one_and_the_same_each_time() -> None:
    score = coins(2000, 0.3, seed=0)
    low, high = score.interval()
    error = 1.96 * math.sqrt(score.value * (1 - score.value) / 2000)
    assert low == pytest.approx(score.value - error, abs=0.15 * error)
    assert high == pytest.approx(score.value + error, abs=0.15 * error)
    assert score.interval() == (low, high)
    assert interval(score, seed=1) != (low, high)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    found = [interval(coins(150, 0.4, seed), resamples=400) for seed in range(200)]
    held = sum(low <= 0.4 <= high for low, high in found)
    assert 0.90 * 200 <= held <= 0.99 * 200


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(500)
    a, b = mean_score(hard.tolist()), mean_score((hard + 0.01 * rng.random(500)).tolist())
    found = compare_scores(a, b)
    assert found.difference == pytest.approx(b.value - a.value)
    assert 0 < found.low < found.difference < found.high < 0.01
    assert found.p_value == pytest.approx(1 / 1000)
    assert a.interval()[1] > b.interval()[0]


@pytest.mark.parametrize("value", [0.1, 1 / 7, 100 / 3])
def test_where_all_are_alike_the_interval_is_the_value(value: float) -> None:
    """Sums of thousands of numbers are rounded; the interval still holds the figure."""
    score = mean_score([value] * 4241)
    assert score.interval() == (score.value, score.value)
    found = compare_scores(score, mean_score([2 * value] * 4241))
    assert (found.low, found.high) == (found.difference, found.difference)


def test_a_run_does_not_differ_from_itself() -> None:
    score = coins(50, 0.5, seed=0)
    found = compare_scores(score, score)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_other_samples_cannot_be_paired() -> None:
    with pytest.raises(InputError, match="2 and 3 samples"):
        compare_scores(mean_score([0, 1]), mean_score([0, 1, 1]))


def test_a_figure_for_each_value_of_a_column() -> None:
    score = mean_score([0, 1, 1, 1])
    assert score.by(["x", "x", "y", "y"]) == {"x": {"value": 0.5, "n": 2}, "y": {"value": 1, "n": 2}}
    with pytest.raises(InputError, match="1 entry for 4 samples"):
        score.by(["x"])
