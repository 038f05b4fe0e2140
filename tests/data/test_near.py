"""The search for hashes that are near, against comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vistune.data.near import NearIndex
from vistune.errors import InputError


def all_pairs(queries: np.ndarray, base: np.ndarray, distance: int) -> set[tuple[int, int, int]]:
    bits = np.bitwise_count(queries[:, None] ^ base[None])
    return {(int(q), int(b), int(bits[q, b])) for q, b in zip(*np.nonzero(bits <= distance), strict=True)}


def flipped(hashes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The hashes with 0 to 12 bits changed anywhere."""
    result = hashes.copy()
    for row in range(len(result)):
        for bit in rng.choice(64, int(rng.integers(13)), replace=False):
            result[row] ^= np.uint64(1 << int(bit))
    return result


@pytest.mark.parametrize("distance", [0, 1, 3, 4, 7, 8, 10, 11])
def test_exactly_the_near_ones_are_found(distance: int) -> None:
    rng = np.random.default_rng(distance)
    base = rng.integers(0, 2**64, 700, dtype=np.uint64)
    base[:100] &= np.uint64(0xFF)  # many that are near one another, as plain pictures are
    base[100:110] = base[110]
    queries = np.concatenate([flipped(base[:300], rng), rng.integers(0, 2**64, 50, dtype=np.uint64)])
    found = list(zip(*(part.tolist() for part in NearIndex(base).pairs(queries, distance)), strict=True))
    expected = all_pairs(queries, base, distance)
    assert len(found) == len(set(found)) == len(expected) > 0
    assert set(found) == expected
    assert found == sorted(found)


def test_parts_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    base = np.random.default_rng(0).integers(0, 2**20, 500, dtype=np.uint64)
    whole = NearIndex(base).pairs(base, 7)
    monkeypatch.setattr("vistune.data.near._MOST_AT_ONCE", 97)
    for part, expected in zip(NearIndex(base).pairs(base, 7), whole, strict=True):
        assert np.array_equal(part, expected)


def test_nothing_and_too_far() -> None:
    empty = np.empty(0, dtype=np.uint64)
    some = np.arange(5, dtype=np.uint64)
    assert [len(part) for part in NearIndex(empty).pairs(some, 3)] == [0, 0, 0]
    assert [len(part) for part in NearIndex(some).pairs(empty, 3)] == [0, 0, 0]
    with pytest.raises(InputError, match="The distance is 12; expected 0 to 11"):
        NearIndex(some).pairs(some, 12)


def test_few_of_the_pairs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million against 2,000 are 2 billion pairs; about one in 900 shares a quarter up to a bit."""
    import vistune.data.near as near

    compared = 0
    expand = near._expand

    def counted(first: near.Rows, counts: near.Rows) -> Iterator[tuple[near.Rows, near.Rows]]:
        nonlocal compared
        compared += int(counts.sum())
        return expand(first, counts)

    monkeypatch.setattr(near, "_expand", counted)
    base = np.random.default_rng(0).integers(0, 2**64, 1_000_000, dtype=np.uint64)
    queries, rows, bits = NearIndex(base).pairs(base[:2000] ^ np.uint64(0b10101), 7)
    assert np.array_equal(queries, rows) and len(rows) == 2000
    assert (bits == 3).all()
    assert 2000 < compared < 2_000_000_000 / 800
