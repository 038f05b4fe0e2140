"""Key/value caches of transformers, taken apart and put together again without copying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache

from vistune.model.attention import with_room

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Pairs = list[tuple[Tensor, Tensor]]


def cache_pairs(cache: Any) -> Pairs:
    """Keys and values [B, H, S, D] of every layer."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def is_growing(cache: Any) -> bool:
    """Whether every layer keeps all tokens (no sliding window, no recurrent state): only these can be shared."""
    return all(type(layer) in (DynamicLayer, RoomyLayer) for layer in cache.layers)


def make_cache(pairs: Pairs, kind: type[DynamicLayer] = DynamicLayer) -> DynamicCache:
    """A cache over the given tensors themselves; expanded views stay views until the model appends to them."""
    cache = DynamicCache()
    cache.layers = []
    for keys, values in pairs:
        layer = kind()
        layer.keys, layer.values = keys, values
        layer.dtype, layer.device = keys.dtype, keys.device
        layer.is_initialized = True
        cache.layers.append(layer)
    return cache


class RoomyLayer(DynamicLayer):
    """Keys and values with room for tokens to come, so that a new token copies nothing, and made for beams.

    Beams of one prompt have its tokens in common, so a beam that goes on from another one takes over only what came
    after them.

    Args:
        room: tokens that may come after the first ones. beams: rows for each row of the first ones.
    """

    def __init__(self, room: int, beams: int = 1) -> None:
        super().__init__()
        self._room, self._beams = room, beams
        self._common = self._length = 0

    def begin(self, keys: Tensor, values: Tensor) -> RoomyLayer:
        """Take in the first tokens, [B, H, S, D]."""
        self.place(slice(None), 0, len(keys), keys, values)
        return self

    def place(self, rows: slice, padding: int, count: int, keys: Tensor, values: Tensor) -> None:
        """Take in the first tokens of some rows, [R, H, S, D] of ``count``, behind columns of padding."""
        if not self.is_initialized:
            self._make(count, padding + keys.shape[2], keys, values)
        for buffer, states in ((self._keys, keys), (self._values, values)):
            own = buffer.unflatten(0, (count, self._beams))[rows]
            # Masked, but multiplied by: what stands there must be a number.
            own[:, :, :, :padding] = 0
            own[:, :, :, padding : self._common] = states[:, None]

    def _make(self, count: int, length: int, keys: Tensor, values: Tensor) -> None:
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._common = self._length = length
        rows = count * self._beams
        self._keys, self._values = (
            states.new_empty(rows, states.shape[1], length + self._room, states.shape[3]) for states in (keys, values)
        )
        for states in (self._keys, self._values):
            # Read with the others, see with_room.
            states[:, :, length:] = 0
        self._show()

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Take in the next tokens; returns all keys and values so far, views [B * beams, H, S, D]."""
        if not self.is_initialized:
            self.begin(key_states, value_states)
        else:
            start = self._length
            self._length += key_states.shape[2]
            self._keys[:, :, start : self._length] = key_states
            self._values[:, :, start : self._length] = value_states
        return self._show()

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i goes on from row beam_idx[i], of the same prompt."""
        rows = beam_idx.to(self.device)
        for states in (self._keys, self._values):
            own = states[:, :, self._common : self._length]
            own.copy_(own.index_select(0, rows))

    def _show(self) -> tuple[Tensor, Tensor]:
        keys, values = (with_room(states[:, :, : self._length], states) for states in (self._keys, self._values))
        self.keys, self.values = keys, values
        return keys, values


class PromptLayer(DynamicLayer):
    """Keys and values of prompts, which neither grow nor change with beams."""

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """A beam goes on from one of its own prompt."""


def make_prompt_cache(pairs: Pairs) -> DynamicCache:
    """A cache of prompts' keys and values [B, H, S, D] for attention that takes them once for all beams."""
    return make_cache(pairs, PromptLayer)


def make_roomy_cache(pairs: Pairs, beams: int, room: int) -> DynamicCache:
    """A cache for transformers' generate, of prompts that are read: see RoomyLayer."""
    cache = DynamicCache()
    cache.layers = [RoomyLayer(room, beams).begin(keys, values) for keys, values in pairs]
    return cache


def empty_roomy_cache(config: PreTrainedConfig, room: int, beams: int = 1) -> DynamicCache | None:
    """A cache for prompts to come and ``room`` tokens after them; None where a layer of the model keeps no tokens, or
    not all."""
    cache = DynamicCache(config=config)
    if not cache.layers or not is_growing(cache):
        return None
    cache.layers = [RoomyLayer(room, beams) for _ in cache.layers]
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
