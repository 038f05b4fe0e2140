"""Key/value caches of transformers, taken apart and put together again without copying."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache

Pairs = list[tuple[Tensor, Tensor]]


def cache_pairs(cache: Any) -> Pairs:
    """Keys and values [B, H, S, D] of every layer."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def is_growing(cache: Any) -> bool:
    """Whether every layer keeps all tokens (no sliding window, no recurrent state): only these can be shared."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def make_cache(pairs: Pairs) -> DynamicCache:
    """A cache over the given tensors themselves; expanded views stay views until the model appends to them."""
    cache = DynamicCache()
    cache.layers = []
    for keys, values in pairs:
        layer = DynamicLayer()
        layer.keys, layer.values = keys, values
        layer.dtype, layer.device = keys.dtype, keys.device
        layer.is_initialized = True
        cache.layers.append(layer)
    return cache


def make_encoder_decoder_cache(self_pairs: Pairs, cross_pairs: Pairs) -> EncoderDecoderCache:
    """The cache of an encoder-decoder; its cross-attention part is marked as done, so it is not computed again."""
    return EncoderDecoderCache(make_cache(self_pairs), make_cache(cross_pairs))


def take_rows(pairs: Pairs, rows: Tensor) -> Pairs:
    """Rows of every layer; a view where all rows are the same one."""
    first = int(rows[0])
    if bool((rows == first).all()):
        return [tuple(t[first : first + 1].expand(len(rows), -1, -1, -1) for t in pair) for pair in pairs]  # type: ignore[misc]
    return [(keys.index_select(0, rows), values.index_select(0, rows)) for keys, values in pairs]
