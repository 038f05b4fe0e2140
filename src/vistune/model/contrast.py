"""Image-text contrast and hard negatives of BLIP-2's first stage (section 3.2), as functions of tensors.

Rows are pairs of this process, columns the pairs of the global batch, so that sums over processes are those of one.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from vistune.errors import InputError


def image_to_text(images: Tensor, texts: Tensor) -> Tensor:
    """Similarity of an image and a text: the highest over the queries; [B, Q, D], [G, D] -> [B, G]"""
    scores: Tensor = torch.einsum("bqd,gd->bgq", images, texts).amax(-1)
    return scores


def text_to_image(texts: Tensor, images: Tensor) -> Tensor:
    """The same from the side of the texts: [B, D], [G, Q, D] -> [B, G]"""
    scores: Tensor = torch.einsum("bd,gqd->bgq", texts, images).amax(-1)
    return scores


def contrast_loss_sum(similarities: Tensor, same: Tensor, smoothing: float) -> Tensor:
    """Sum over rows of the cross-entropy between softmax(similarities) and smoothed targets, in float32.

    Args:
        similarities: [B, G], divided by the temperature. same: [B, G] bool, the pairs that belong together: one column
            a row, or all columns of the same picture (LAVIS, with image_id), which share the target equally.
        smoothing: that share of the target is spread over all columns (0.1 in BLIP-2).
    """
    positive = same.float() / same.sum(1, keepdim=True)
    targets = (1 - smoothing) * positive + smoothing / same.shape[1]
    return -(targets * similarities.float().log_softmax(1)).sum()


def draw_negatives(similarities: Tensor, same: Tensor, uniform: Tensor) -> Tensor:
    """One hard negative a row: a column drawn by softmax(similarities), never one that belongs to the row.

    Args:
        similarities, same: [B, G] as above. uniform: [B] in [0, 1), the draw (see :func:`uniform_draws`).

    Returns:
        columns [B]
    """
    weights = similarities.detach().double().masked_fill(same, float("-inf")).softmax(1)
    sums = weights.cumsum(1)
    chosen = torch.searchsorted(sums, uniform[:, None].to(sums) * sums[:, -1:], right=True)
    # Rounding may put the draw on the total itself; the last column that has weight is meant then.
    last = (weights > 0).int().cumsum(1).argmax(1)
    return torch.minimum(chosen.squeeze(1), last)


def uniform_draws(seed: int, step: int, size: int) -> Tensor:
    """Numbers in [0, 1) for the two draws of every pair of a global batch, [2, size] in float64.

    A function of seed, step and place in the global batch: whichever process holds a pair, it gets the same draw.
    """
    digest = hashlib.blake2b(f"negatives {seed} {step}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
    return torch.rand(2, size, dtype=torch.float64, generator=generator)


def check_negatives(same: Tensor) -> None:
    """Refuse a batch in which some pair has no other picture beside it.

    Raises:
        InputError: naming the size of the batch.
    """
    if bool(same.all(1).any()):
        raise InputError(
            f"A batch of {same.shape[1]} pairs has no negative for some pair; image-text matching needs at least two "
            "different pictures in every global batch."
        )
