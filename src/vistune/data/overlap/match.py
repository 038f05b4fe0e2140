"""Which pictures of one group are those of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vistune.data.hashing import likeness
from vistune.data.near import NearIndex
from vistune.data.overlap.gather import PictureTable
from vistune.data.overlap.looks import Looks, first_square

if TYPE_CHECKING:
    from PIL.Image import Image

DISTANCE, SECOND_DISTANCE = 10, 14
LIKENESS = 0.9
# Candidates that are compared in full for one evaluation picture, the nearest first.
_MOST_CANDIDATES = 50


@dataclass(frozen=True)
class Match:
    """A training picture and the evaluation picture that it is, as rows of the table.

    how: "bytes" (the same file or a copy of it) or "look". distance: bits of the 64 that differ. likeness: correlation.
    """

    train: int
    evaluation: int
    how: str
    distance: int = 0
    likeness: float = 1.0


def same_bytes(train: Looks, evaluation: Looks) -> Iterator[Match]:
    """Pairs of files with the same content."""
    by_key: dict[bytes, list[int]] = {}
    for row, key in zip(evaluation.rows.tolist(), evaluation.keys, strict=True):
        by_key.setdefault(key, []).append(row)
    for row, key in zip(train.rows.tolist(), train.keys, strict=True):
        for other in by_key.get(key, ()):
            yield Match(row, other, "bytes")


def similar(
    train: Looks,
    evaluation: Looks,
    table: PictureTable,
    *,
    distance: int = DISTANCE,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[Match]:
    """Pairs of different files that look alike: near in both hashes, then compared value by value.

    Plain pictures, which have nothing to be known by, are left out. A picture is compared with the slight crops of the
    other, either way round.

    Args:
        distance: most bits of the first hash that may differ. on_progress: told (pairs compared, of how many).

    Raises:
        InputError: a distance above 11.
    """
    pairs = _candidates(train, evaluation, distance)

    @lru_cache(maxsize=4096)
    def square(row: int) -> Image:
        return first_square(table.refs[row])

    for number, (first, second, bits) in enumerate(pairs):
        if on_progress is not None and number % 1000 == 0:
            on_progress(number, len(pairs))
        if train.keys[first] == evaluation.keys[second]:
            continue
        one, other = int(train.rows[first]), int(evaluation.rows[second])
        alike = likeness(square(one), square(other))
        if alike >= LIKENESS:
            yield Match(one, other, "look", bits, round(alike, 4))


def _candidates(train: Looks, evaluation: Looks, distance: int) -> list[tuple[int, int, int]]:
    """(place in train, place in evaluation, bits), at most 50 for an evaluation picture."""
    whole, crops = _near(train, evaluation, distance), _near(evaluation, train, distance)
    best: dict[tuple[int, int], int] = {}
    for (first, second), bits in zip(
        np.concatenate([whole[:, :2], crops[:, 1::-1]]).tolist(),
        np.concatenate([whole[:, 2], crops[:, 2]]).tolist(),
        strict=True,
    ):
        best[first, second] = min(bits, best.get((first, second), bits))
    by_evaluation: dict[int, list[tuple[int, int]]] = {}
    for (first, second), bits in best.items():
        by_evaluation.setdefault(second, []).append((bits, first))
    return [
        (first, second, bits)
        for second, found in sorted(by_evaluation.items())
        for bits, first in sorted(found)[:_MOST_CANDIDATES]
    ]


def _near(whole: Looks, cropped: Looks, distance: int) -> NDArray[np.int64]:
    """[k, 3]: places in ``whole`` and ``cropped``, bits; whole pictures of one near any variant of the other."""
    ours, theirs = np.flatnonzero(~whole.plain), np.flatnonzero(~cropped.plain)
    hashes = cropped.hashes[theirs]
    variants = hashes.shape[1]
    flat = hashes.reshape(-1, 2)
    queries, found, bits = _search(whole.hashes[ours, 0, 0], flat[:, 0], distance)
    second = np.bitwise_count(whole.hashes[ours[found], 0, 1] ^ flat[queries, 1])
    keep = second <= SECOND_DISTANCE
    return np.stack([ours[found[keep]], theirs[queries[keep] // variants], bits[keep]], axis=1)


def _search(
    base: NDArray[np.uint64], queries: NDArray[np.uint64], distance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows of queries, rows of base, bits; the smaller side asks, which is quicker."""
    if len(queries) <= len(base):
        return NearIndex(base).pairs(queries, distance)
    found, asked, bits = NearIndex(queries).pairs(base, distance)
    return asked, found, bits
