"""In which order rows are asked: questions about one picture together, batches of like length, the longest first."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from vistune.data.batch import Encoded
from vistune.data.features.keys import picture_names

# Pictures whose features are in memory at once: 300 MB of LLaVA-1.5's in half precision.
_PICTURES = 256
# Rows of a window, for pictures with very many questions.
_ROWS = 4096


@dataclass(frozen=True)
class Row:
    """One row as it is put to the model.

    Args:
        encoded: tokens; pictures are references still. prompt: the same in words, ``<image>`` for each picture.
        candidates: to rank, each once; None: a free answer. key: what the answer belongs to.
    """

    id: str
    encoded: Encoded
    prompt: str
    candidates: tuple[str, ...] | None
    key: str

    @property
    def length(self) -> int:
        """Tokens, pictures included."""
        return len(self.encoded.input_ids)


Batch = list[Row]
Window = list[Batch]
"""Batches whose pictures are in memory together."""


def plan(rows: Sequence[Row], batch_size: int, rank: int = 0, size: int = 1, together: bool = False) -> list[Window]:
    """One process's share of the rows, each row in exactly one batch of exactly one process.

    Rows about one picture stay in one window, so that it is encoded once.

    Args:
        together: they stand side by side in batches too, which matters more than equal lengths where the model reads
            a picture once for all of them (see `vistune.infer.prefix`).
    """
    groups: dict[str, list[Row]] = {}
    for number, row in enumerate(rows):
        images = row.encoded.images
        groups.setdefault(picture_names(images[0])[0] if images else f"row {number}", []).append(row)
    # The longest first: what does not fit into memory shows at once. A window's rows are near in length then.
    ordered = sorted(groups.values(), key=lambda group: max(row.length for row in group), reverse=True)
    windows: list[Window] = []
    gathered: list[Row] = []
    pictures = 0
    for group in _share(ordered, rank, size):
        more = sum(row.encoded.num_images for row in group[:1])
        if gathered and (pictures + more > _PICTURES or len(gathered) + len(group) > _ROWS):
            windows.append(_batches(gathered, batch_size, together))
            gathered, pictures = [], 0
        gathered += group
        pictures += more
    if gathered:
        windows.append(_batches(gathered, batch_size, together))
    return windows


def _share(groups: list[list[Row]], rank: int, size: int) -> list[list[Row]]:
    """Each group to whoever has the fewest tokens so far."""
    loads = [(0, number) for number in range(size)]
    mine = []
    for group in groups:
        tokens, number = heapq.heappop(loads)
        if number == rank:
            mine.append(group)
        heapq.heappush(loads, (tokens + sum(row.length for row in group), number))
    return mine


def _batches(rows: list[Row], size: int, together: bool) -> Window:
    ordered = rows
    if not together:
        ordered = sorted(rows, key=lambda row: (row.length, sum(map(len, row.candidates or ()))), reverse=True)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
