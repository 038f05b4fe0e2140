"""Looking up 16-byte digests among millions in a few bytes each."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_PAIR = struct.Struct("<QQ")


class DigestTable:
    """Rows by digest: 24 bytes an entry, where a dict of bytes takes 130.

    Args:
        digests: [n, 16] uint8; of equal ones the first counts.
    """

    def __init__(self, digests: NDArray[np.uint8]) -> None:
        words = np.ascontiguousarray(digests, dtype=np.uint8).view("<u8").reshape(-1, 2)
        self._rows = np.argsort(words[:, 0], kind="stable")
        self._first = words[self._rows, 0]
        self._second = words[self._rows, 1]

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, digest: bytes) -> int:
        """The row of a digest, -1 if it is not there."""
        first, second = _PAIR.unpack(digest)
        place = int(np.searchsorted(self._first, np.uint64(first)))
        while place < len(self._first) and int(self._first[place]) == first:
            if int(self._second[place]) == second:
                return int(self._rows[place])
            place += 1
        return -1
