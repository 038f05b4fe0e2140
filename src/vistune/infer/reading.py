"""Prompts of a batch read a few at a time on the CPU, into one cache.

What a layer computes of a few rows stays in the processor's caches, where that of a whole batch goes through memory,
and a prompt that is read without others' padding needs no mask: attention then skips what lies ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vistune.infer.caches import RoomyLayer, cache_pairs, empty_roomy_cache

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache

    from vistune.model.language import LanguageModel

# Tokens of the rows that are read together: one prompt with LLaVA-1.5's picture, or about twenty of InstructBLIP's.
_TOKENS = 1024


def read_in_groups(
    language: LanguageModel, embeds: Tensor, mask: Tensor, room: int = 0, beams: int = 1
) -> tuple[Tensor, DynamicCache] | None:
    """Left-padded prompts of a decoder-only model, read in groups of neighbouring rows.

    Args:
        embeds: [B, L, d]. mask: [B, L]. room: tokens that may follow. beams: rows of the cache for each prompt.

    Returns:
        Logits after every prompt [B, 1, V] and the cache, [B * beams, H, L, D] a layer. None where one read of all is
        as fast, or where a layer of the model keeps no tokens, or not all.
    """
    groups = _groups(mask) if embeds.device.type == "cpu" and not language.is_stateful else []
    cache = empty_roomy_cache(language.config, room, beams) if len(groups) > 1 else None
    if cache is None:
        return None
    logits = []
    for rows, padding in groups:
        found, read = read_at_once(language, embeds[rows, padding:], mask[rows, padding:])
        logits.append(found)
        for layer, (keys, values) in zip(cache.layers, cache_pairs(read), strict=True):
            assert isinstance(layer, RoomyLayer)
            layer.place(rows, padding, len(mask), keys, values)
    return torch.cat(logits), cache


def read_at_once(
    language: LanguageModel, embeds: Tensor, mask: Tensor, beginning: DynamicCache | None = None
) -> tuple[Tensor, Any]:
    """All of a left-padded batch that is not in the cache of its first columns; results as of read_in_groups."""
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    read = 0 if beginning is None else beginning.get_seq_length()
    return language.decode(embeds[:, read:], mask, positions[:, read:], beginning, last_only=True)


def _groups(mask: Tensor) -> list[tuple[slice, int]]:
    """Neighbouring rows with few tokens together, and the columns of padding that all of them begin with."""
    # A row without tokens is read with a column of padding.
    padding = (mask.shape[1] - mask.sum(1).clamp_min(1)).tolist()
    groups: list[tuple[slice, int]] = []
    start = 0
    for row in range(1, len(padding) + 1):
        width = mask.shape[1] - min(padding[start : row + 1])
        if row == len(padding) or width * (row + 1 - start) > _TOKENS:
            groups.append((slice(start, row), min(padding[start:row])))
            start = row
    return groups
