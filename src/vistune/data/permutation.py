"""Shuffled orders that are the same on every machine and with every version of numpy."""

from __future__ import annotations

import hashlib

import numpy as np

# Luby and Rackoff need four rounds for a random-looking permutation; halves of a few bits need more.
_ROUNDS = 6
_MASK = (1 << 64) - 1
# SplitMix64 (Steele, Lea and Flood 2014).
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def seed_of(*parts: object) -> int:
    """64 bits from anything that has a text, the same on every machine and in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def shuffled(size: int, seed: int) -> np.ndarray:
    """0 .. size - 1 in shuffled order [size]: sorted by random keys."""
    keys = np.arange(size, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(seed)
    keys = (keys ^ keys >> np.uint64(30)) * np.uint64(_FIRST)
    keys = (keys ^ keys >> np.uint64(27)) * np.uint64(_SECOND)
    return np.argsort(keys ^ keys >> np.uint64(31), kind="stable")


class Permutation:
    """A shuffled order of 0 .. size - 1, computed place by place by a keyed Feistel network: it takes no memory.

    The network permutes the smallest power of two that holds the size; places that fall outside are sent through it
    again until they are inside, which happens less than once on average.
    """

    def __init__(self, size: int, seed: int) -> None:
        bits = max(2, (size - 1).bit_length())
        self._size = size
        self._low_bits = bits // 2
        self._high_bits = bits - bits // 2
        self._keys = [seed_of(seed, number) for number in range(_ROUNDS)]

    def __call__(self, place: int) -> int:
        """What stands at ``place`` (0 .. size - 1)."""
        value = self._shuffle(place)
        while value >= self._size:
            value = self._shuffle(value)
        return value

    def _shuffle(self, value: int) -> int:
        left_bits, right_bits = self._high_bits, self._low_bits
        left, right = value >> right_bits, value & ((1 << right_bits) - 1)
        for key in self._keys:
            left ^= _mix(right ^ key) >> (64 - left_bits)
            left, right, left_bits, right_bits = right, left, right_bits, left_bits
        return left << right_bits | right


def _mix(value: int) -> int:
    """SplitMix64's finaliser: every bit of the result depends on every bit of the value."""
    value = (value ^ value >> 30) * _FIRST & _MASK
    value = (value ^ value >> 27) * _SECOND & _MASK
    return value ^ value >> 31
