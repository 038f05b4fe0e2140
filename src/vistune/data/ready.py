"""Samples that are whole already, for a loader: tokens kept once made, features from memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vistune.data.batch import Encoded

if TYPE_CHECKING:
    from vistune.data.encoded_set import EncodedSet
    from vistune.data.mixture import Draw


class ReadySet:
    """An `EncodedSet` as a loader reads it: every sample with its features or pixels; for ``load=as_it_is``."""

    def __init__(self, items: EncodedSet) -> None:
        self.name = items.name
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The sample, the same in every epoch."""
        return self._items[index]


def as_it_is(sample: Encoded, draw: Draw) -> Encoded:
    """The sample, which has its features or pixels."""
    return sample
