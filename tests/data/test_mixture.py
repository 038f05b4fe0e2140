"""The order of samples: a pure function of seed and step, balanced as asked."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections import Counter
from itertools import pairwise

import pytest
from tests.held_in import SIZES as HELD_IN

from vistune.data.mixture import Draw, Mixture
from vistune.errors import RecipeError

SIZES = {"large": 900, "small": 100, "tiny": 7}


def test_any_step_is_reached_without_the_steps_before() -> None:
    first, second = Mixture(SIZES, seed=3), Mixture(SIZES, seed=3)
    forward = [first.draws(step, 64) for step in range(150)]
    assert second.draws(149, 64) == forward[149]
    assert second.draws(2, 64) == forward[2]
    assert Mixture(SIZES, seed=4).draws(0, 64) != forward[0]


def test_a_far_step_takes_no_longer_and_no_memory_grows() -> None:
    tracemalloc.start()
    started = time.process_time()
    drawn = Mixture(HELD_IN).draws(10_000_000, 192)
    assert time.process_time() - started < 0.5
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert len(drawn) == 192
    assert all(draw.index < size for draw in drawn for size in [list(HELD_IN.values())[draw.set]])
    assert max(draw.epoch for draw in drawn) > 1000


def test_batch_size_does_not_change_the_order_of_samples() -> None:
    small, large = Mixture(SIZES), Mixture(SIZES)
    assert [d for step in range(8) for d in small.draws(step, 16)] == large.draws(0, 128)


def test_the_order_does_not_change_between_versions() -> None:
    """A run that was stopped goes on with the same samples, also after an upgrade."""
    drawn = Mixture(SIZES, seed=1).draws(1000, 5)[:3]
    assert drawn == [Draw(0, 119, 3), Draw(0, 564, 3), Draw(0, 816, 3)]


@pytest.mark.parametrize(("power", "share"), [(0.5, 30 / (30 + 10 + 7**0.5)), (1, 900 / 1007), (0, 1 / 3)])
def test_shares_follow_the_power_of_the_sizes(power: float, share: float) -> None:
    mixture = Mixture(SIZES, power)
    assert mixture.table()[0] == ("large", 900, pytest.approx(share))
    drawn = Counter(draw.set for step in range(200) for draw in mixture.draws(step, 100))
    assert drawn[0] / 20_000 == pytest.approx(share, abs=0.001)


def test_the_published_mixture_is_balanced_within_a_percent() -> None:
    mixture = Mixture(HELD_IN, weights={"aokvqa": 0.5, "okvqa": 2.0})
    drawn = Counter(draw.set for draw in mixture.draws(0, 50_000))
    for index, (_, _, probability) in enumerate(mixture.table()):
        assert drawn[index] / 50_000 == pytest.approx(probability, rel=0.01)


def test_every_sample_comes_once_before_any_comes_twice() -> None:
    mixture = Mixture(SIZES, 1.0)
    seen: dict[int, list[Draw]] = {0: [], 1: [], 2: []}
    for step in range(100):
        for draw in mixture.draws(step, 50):
            seen[draw.set].append(draw)
    for which, size in enumerate(SIZES.values()):
        for epoch in range(len(seen[which]) // size):
            part = seen[which][epoch * size : (epoch + 1) * size]
            assert sorted(draw.index for draw in part) == list(range(size))
            assert {draw.epoch for draw in part} == {epoch}
    assert [d.index for d in seen[2][:7]] != [d.index for d in seen[2][7:14]]


def test_another_data_set_does_not_change_the_order_within_one() -> None:
    alone = [draw.index for draw in Mixture({"small": 100}).draws(0, 100)]
    mixed = [draw.index for draw in Mixture(SIZES).draws(0, 2000) if draw.set == 1]
    assert mixed[:100] == alone


def test_order_is_random_enough() -> None:
    mixture = Mixture({"a": 50_000, "b": 50_000})
    draws = mixture.draws(0, 40_000)
    repeats = sum(one.set == other.set for one, other in pairwise(draws))
    assert repeats / 40_000 == pytest.approx(0.5, abs=0.02)
    places = [draw.index for draw in draws if draw.set == 0]
    rising = sum(one < other for one, other in pairwise(places))
    assert rising / len(places) == pytest.approx(0.5, abs=0.02)
    assert sum(place < 25_000 for place in places[:1000]) == pytest.approx(500, abs=5 * math.sqrt(250))


def test_homogeneous_batches_hold_one_set_each_in_the_same_shares() -> None:
    mixture = Mixture(SIZES, homogeneous=True)
    batches = [mixture.draws(step, 9) for step in range(3000)]
    assert all(len({draw.set for draw in batch}) == 1 for batch in batches)
    drawn = Counter(batch[0].set for batch in batches)
    for index, (_, _, probability) in enumerate(mixture.table()):
        assert drawn[index] / 3000 == pytest.approx(probability, abs=0.005)
    small = [draw.index for batch in batches for draw in batch if draw.set == 1]
    assert sorted(small[:100]) == list(range(100))


def test_many_sets_cost_no_more_than_one() -> None:
    many = Mixture({f"set {number}": number + 1 for number in range(1000)})
    drawn = Counter(draw.set for draw in many.draws(0, 200_000))
    assert drawn[999] / 200_000 == pytest.approx(many.table()[999][2], abs=3e-5)


def test_weights_raise_and_lower() -> None:
    table = Mixture({"a": 100, "b": 100}, weights={"a": 3.0}).table()
    assert [row[2] for row in table] == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": {}}, "no data sets"),
        ({"sizes": {"a": 0}}, "'a' has 0 samples"),
        ({"sizes": {"a": 1}, "power": -1}, "power is -1"),
        ({"sizes": {"a": 1}, "power": float("nan")}, "power is nan"),
        ({"sizes": {"a": 1}, "weights": {"b": 1.0}}, "'b', which it does not hold"),
        ({"sizes": {"a": 1}, "weights": {"a": 0.0}}, "weight of 'a' is 0.0"),
        ({"sizes": {"a": 1, "b": 1}, "weights": {"a": 1e-9}}, "'a' would be drawn less than once in a million"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Mixture(**arguments)  # type: ignore[arg-type]
