"""A set of ids that stays small: 8 bytes of hash each, in one flat table."""

from __future__ import annotations

import hashlib
from array import array


class SeenIds:
    """Which ids have been there. 14 million take at most 270 MB; a ``set`` of strings would take 1.5 GB.

    Two different ids share a hash with a chance of n^2 / 2^65: 5 in a million for 14 million ids.
    """

    def __init__(self) -> None:
        self._count = 0
        self._table = array("Q", bytes(8 * 1024))

    def __len__(self) -> int:
        return self._count

    def add(self, name: str) -> bool:
        """Remember an id. -> whether it is new"""
        # 0 marks a free slot.
        value = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()) or 1
        if not self._insert(value):
            return False
        self._count += 1
        if self._count > 0.7 * len(self._table):
            self._grow()
        return True

    def _insert(self, value: int) -> bool:
        table, mask = self._table, len(self._table) - 1
        slot = value & mask
        while table[slot]:
            if table[slot] == value:
                return False
            slot = (slot + 1) & mask
        table[slot] = value
        return True

    def _grow(self) -> None:
        old = self._table
        self._table = array("Q", bytes(2 * 8 * len(old)))
        for value in old:
            if value:
                self._insert(value)
