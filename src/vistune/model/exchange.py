"""What the first stage compares across processes: who else there is, and which pairs are wrong for whom."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vistune.model.contrast import check_negatives, draw_negatives


class Exchange(Protocol):
    """What the processes of a run tell each other; pairs are numbered rank by rank."""

    rank: int
    size: int

    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all processes, [b, ...] -> [size * b, ...], with gradients to whoever they came from."""
        ...

    def most(self, value: int) -> int:
        """The largest value of all processes."""
        ...


class Alone:
    """An exchange with nobody."""

    rank = 0
    size = 1

    def gather(self, rows: Tensor) -> Tensor:
        """The rows themselves."""
        return rows

    def most(self, value: int) -> int:
        """The value itself."""
        return value


def even_texts(text_ids: Tensor, text_mask: Tensor, exchange: Exchange) -> tuple[Tensor, Tensor]:
    """Texts padded to the length of the longest one of all processes."""
    missing = exchange.most(text_ids.shape[1]) - text_ids.shape[1]
    return F.pad(text_ids, (0, missing)), F.pad(text_mask, (0, missing))


def same_pairs(rows: int, groups: Tensor | None, exchange: Exchange, device: torch.device) -> Tensor:
    """Which of the global batch's pairs show the same picture as each own one: [b, G] bool.

    Raises:
        InputError: some pair has no other picture beside it. ValueError: processes hold different numbers of pairs.
    """
    if exchange.most(rows) != rows or -exchange.most(-rows) != rows:
        raise ValueError(f"A process holds {rows} pairs, another one not; split the batch evenly.")
    own = exchange.rank * rows + torch.arange(rows, device=device) if groups is None else groups
    everything = torch.arange(exchange.size * rows, device=device) if groups is None else exchange.gather(groups)
    same = own[:, None] == everything[None, :]
    check_negatives(same)
    return same


def choose_negatives(
    to_texts: Tensor, to_images: Tensor, same: Tensor, uniform: Tensor, exchange: Exchange
) -> tuple[Tensor, Tensor]:
    """Places in the global batch of a wrong image for each own text, and a wrong text for each own image: [b], [b]"""
    start = exchange.rank * len(same)
    draws = uniform[:, start : start + len(same)].to(same.device)
    return draw_negatives(to_images, same, draws[0]), draw_negatives(to_texts, same, draws[1])
