"""The order of samples: a pure function of seed and step, balanced as asked."""

from __future__ import annotations

from collections import Counter

import pytest

from vistune.data.mixture import Mixture
from vistune.errors import RecipeError

SIZES = {"large": 900, "small": 100, "tiny": 7}


def test_any_step_is_reached_without_the_steps_before() -> None:
    first, second = Mixture(SIZES, seed=3), Mixture(SIZES, seed=3)
    forward = [first.draws(step, 64) for step in range(150)]
    assert second.draws(149, 64) == forward[149]
    assert second.draws(2, 64) == forward[2]
    assert Mixture(SIZES, seed=4).draws(0, 64) != forward[0]


def test_batch_size_does_not_change_the_order_of_samples() -> None:
    small, large = Mixture(SIZES), Mixture(SIZES)
    assert [d for step in range(8) for d in small.draws(step, 16)] == large.draws(0, 128)


@pytest.mark.parametrize(("power", "share"), [(0.5, 30 / (30 + 10 + 7**0.5)), (1, 900 / 1007), (0, 1 / 3)])
def test_shares_follow_the_power_of_the_sizes(power: float, share: float) -> None:
    mixture = Mixture(SIZES, power)
    assert mixture.table()[0] == ("large", 900, pytest.approx(share))
    drawn = Counter(which for step in range(200) for which, _ in mixture.draws(step, 100))
    assert drawn[0] / 20_000 == pytest.approx(share, abs=0.015)


def test_every_sample_comes_once_before_any_comes_twice() -> None:
    mixture = Mixture(SIZES, 1.0)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for step in range(100):
        for which, index in mixture.draws(step, 50):
            seen[which].append(index)
    for which, size in enumerate(SIZES.values()):
        for epoch in range(len(seen[which]) // size):
            assert sorted(seen[which][epoch * size : (epoch + 1) * size]) == list(range(size))
    assert seen[2][:7] != seen[2][7:14]


def test_weights_raise_and_lower() -> None:
    table = Mixture({"a": 100, "b": 100}, weights={"a": 3.0}).table()
    assert [row[2] for row in table] == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": {}}, "no data sets"),
        ({"sizes": {"a": 0}}, "'a' has 0 samples"),
        ({"sizes": {"a": 1}, "power": -1}, "power is -1"),
        ({"sizes": {"a": 1}, "weights": {"b": 1.0}}, "'b', which it does not hold"),
        ({"sizes": {"a": 1}, "weights": {"a": 0.0}}, "weight of 'a' is 0.0"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Mixture(**arguments)  # type: ignore[arg-type]
