"""Rows that hold several samples: who may look at whom, and where positions begin again.

``segment_ids`` [B, L] numbers the samples of a row 1, 2, ... in order; 0 stands for padding, behind them. Padded places
are a segment of their own, so that no row of a mask is empty.
"""

from __future__ import annotations

import torch
from torch import Tensor


def segment_starts(segment_ids: Tensor) -> Tensor:
    """Where a segment begins: [B, L] -> [B, L] bool"""
    before = torch.cat([segment_ids.new_full((segment_ids.shape[0], 1), -1), segment_ids[:, :-1]], dim=1)
    return segment_ids != before


def segment_positions(segment_ids: Tensor) -> Tensor:
    """Places counted from 0 in every segment, all 0 in padding: [B, L] -> [B, L]"""
    places = torch.arange(segment_ids.shape[1], device=segment_ids.device).expand_as(segment_ids)
    first = torch.where(segment_starts(segment_ids), places, 0).cummax(dim=1).values
    # However much padding there is, no position is beyond what a model has learned.
    return (places - first) * (segment_ids > 0)


def segment_mask(query_segments: Tensor, key_segments: Tensor, causal: bool = False) -> Tensor:
    """Block-diagonal mask: a sample looks at itself only.

    Args:
        query_segments: [B, T]. key_segments: [B, S]. causal: a token does not see later ones (T = S).

    Returns:
        [B, 1, T, S] bool, True = may attend
    """
    mask = query_segments[:, :, None] == key_segments[:, None, :]
    if causal:
        mask = mask.tril()
    return mask[:, None]


def count_by_segment(marked: Tensor, segment_ids: Tensor) -> list[int]:
    """How many places of each sample are marked, samples in reading order; marked [B, L] bool."""
    most = int(segment_ids.max())
    counts = torch.zeros(len(segment_ids), most + 1, dtype=torch.long, device=segment_ids.device)
    counts.scatter_add_(1, segment_ids, marked.long())
    samples = segment_ids.amax(dim=1).tolist()
    return [count for row, number in zip(counts.tolist(), samples, strict=True) for count in row[1 : number + 1]]
