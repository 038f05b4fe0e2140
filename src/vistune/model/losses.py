"""Losses as sums with their counts, so that micro-batches and ranks can be added before the one division."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100


@dataclass(frozen=True)
class LossPart:
    """A loss as its sum over a share of the batch (differentiable), and the number of things it is a mean of there."""

    sum: Tensor
    count: Tensor


def shift_labels(labels: Tensor, segment_ids: Tensor | None = None) -> Tensor:
    """Labels of a decoder-only model moved to the position that predicts them: [B, L] -> [B, L].

    The last one of a row predicts nothing, nor that of a segment where ``segment_ids`` [B, L] numbers a row's samples.
    """
    following = labels[:, 1:]
    if segment_ids is not None:
        following = following.masked_fill(segment_ids[:, 1:] != segment_ids[:, :-1], IGNORE)
    return torch.cat([following, labels.new_full((labels.shape[0], 1), IGNORE)], dim=1)


def token_loss_sum(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum of the cross-entropy over learned tokens, in float32.

    Args:
        logits: [..., V]. targets: [...] with -100 where nothing is learned.
    """
    return F.cross_entropy(logits.float().flatten(0, -2), targets.flatten(), ignore_index=IGNORE, reduction="sum")
