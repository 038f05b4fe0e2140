"""Hashes of 64 bits that differ in a few bits only, among millions, without comparing each with each.

Two hashes that differ in at most 4 r + 3 bits differ in at most r bits in one of their four quarters: only hashes that
share a quarter up to r bits are compared ("multi-index hashing", Norouzi et al., 2012). The result is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vistune.errors import InputError

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]

MAX_DISTANCE = 11
_QUARTERS, _BITS = 4, 16
_MOST_AT_ONCE = 8_000_000


class NearIndex:
    """Hashes by their quarters.

    Args:
        hashes: [n] uint64.
    """

    def __init__(self, hashes: Hashes) -> None:
        self._size = len(hashes)
        self._quarters = []
        for number in range(_QUARTERS):
            values = _quarter(hashes, number)
            order = np.argsort(values, kind="stable")
            starts = np.concatenate([[0], np.cumsum(np.bincount(values, minlength=1 << _BITS))])
            # Hashes in the order of their quarter, so that those of one value lie side by side.
            self._quarters.append((order, starts, hashes[order]))

    def pairs(self, queries: Hashes, distance: int) -> tuple[Rows, Rows, Rows]:
        """All pairs that differ in at most ``distance`` bits.

        Args:
            queries: [m] uint64. distance: at most 11.

        Returns:
            [k] rows of queries, of hashes, and their distances, by query, then hash.

        Raises:
            InputError: a distance that would compare nearly all with all.
        """
        if not 0 <= distance <= MAX_DISTANCE:
            raise InputError(f"The distance is {distance}; expected 0 to {MAX_DISTANCE} bits.")
        if self._size == 0 or len(queries) == 0:
            return _sorted(np.empty((3, 0), dtype=np.int64), 1)
        found = [np.empty((3, 0), dtype=np.int64)]
        for number, (order, starts, hashes) in enumerate(self._quarters):
            values = _quarter(queries, number)
            for mask in _masks(distance // _QUARTERS):
                near = values ^ mask
                first, counts = starts[near], starts[near + 1] - starts[near]
                for asked, place in _expand(first, counts):
                    bits = np.bitwise_count(hashes[place] ^ queries[asked])
                    close = np.flatnonzero(bits <= distance)
                    found.append(np.stack([asked[close], order[place[close]], bits[close].astype(np.int64)]))
        return _sorted(np.concatenate(found, axis=1), self._size)


def _quarter(hashes: Hashes, number: int) -> NDArray[np.int64]:
    return ((hashes >> np.uint64(_BITS * number)) & np.uint64((1 << _BITS) - 1)).astype(np.int64)


def _masks(radius: int) -> list[int]:
    """Every choice of at most ``radius`` of 16 bits."""
    return [sum(1 << bit for bit in bits) for count in range(radius + 1) for bits in combinations(range(_BITS), count)]


def _expand(first: Rows, counts: Rows) -> Iterator[tuple[Rows, Rows]]:
    """(row of the query, place) of every place in the ranges ``first`` to ``first + counts``, a part at a time."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _MOST_AT_ONCE, side="right")))
        sizes = counts[start:stop]
        total = int(ends[stop - 1]) - before
        if total:
            asked = np.repeat(np.arange(start, stop), sizes)
            shift = np.repeat(first[start:stop] - (ends[start:stop] - sizes - before), sizes)
            yield asked, np.arange(total) + shift
        start = stop


def _sorted(found: NDArray[np.int64], size: int) -> tuple[Rows, Rows, Rows]:
    """Each pair once: it may share several quarters."""
    _, unique = np.unique(found[0] * size + found[1], return_index=True)
    return found[0][unique], found[1][unique], found[2][unique]
