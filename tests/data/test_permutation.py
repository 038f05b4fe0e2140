"""A shuffled order that takes no memory."""

from __future__ import annotations

from collections import Counter

import pytest

from vistune.data.permutation import Permutation, seed_of, shuffled


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 4097])
def test_every_place_comes_once(size: int) -> None:
    for seed in range(3):
        assert sorted(map(Permutation(size, seed), range(size))) == list(range(size))


def test_all_orders_of_four_are_about_as_frequent() -> None:
    orders = Counter(tuple(map(Permutation(4, seed), range(4))) for seed in range(4800))
    assert len(orders) == 24
    # 200 expected of each, with a standard deviation of 14.
    assert 130 < min(orders.values()) < max(orders.values()) < 270


def test_seeds_of_different_things_differ() -> None:
    assert len({seed_of(1, "a"), seed_of("1a"), seed_of(1, "a", 0), seed_of("a", 1)}) == 4
    assert seed_of(0, "coco_caption", 3) == 1061557026281100990
    assert shuffled(5, 1).tolist() == [0, 4, 1, 2, 3]
