"""Queries and texts of different lengths as one list of tokens, so that nothing is computed for padding.

Linear layers, norms and feed-forwards work on the list; attention alone needs rows.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Ragged:
    """Where the real tokens of N rows stand; the list holds all queries first, then all real text tokens.

    Args:
        num_queries: Q of every row. text_mask: [N, L], nonzero for real tokens.
    """

    def __init__(self, num_queries: int, text_mask: Tensor) -> None:
        self.num_rows, self.length = text_mask.shape
        self.num_queries = num_queries
        self._places = text_mask.flatten().nonzero().squeeze(1)

    def split(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """List [N*Q + M, H] -> queries [N, Q, H] and text tokens [M, H]"""
        border = self.num_rows * self.num_queries
        return tokens[:border].unflatten(0, (self.num_rows, self.num_queries)), tokens[border:]

    def join(self, queries: Tensor, text: Tensor) -> Tensor:
        """The other way round."""
        return torch.cat([queries.flatten(0, 1), text])

    def to_rows(self, tokens: Tensor) -> Tensor:
        """List [N*Q + M, H] -> rows [N, Q + L, H], zero where there is padding."""
        queries, text = self.split(tokens)
        padded = text.new_zeros(self.num_rows * self.length, text.shape[-1]).index_copy(0, self._places, text)
        return torch.cat([queries, padded.unflatten(0, (self.num_rows, self.length))], dim=1)

    def to_list(self, rows: Tensor) -> Tensor:
        """Rows [N, Q + L, H] -> list [N*Q + M, H]"""
        text = rows[:, self.num_queries :].flatten(0, 1)[self._places]
        return self.join(rows[:, : self.num_queries], text)


def ragged_layout(num_queries: int, text_mask: Tensor | None) -> Ragged | None:
    """The layout where there is padding to leave out, else None."""
    if text_mask is None or bool(text_mask.all()):
        return None
    return Ragged(num_queries, text_mask)
