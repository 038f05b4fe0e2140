"""The one attention function of vistune, and its registration with transformers.

``scaled_dot_product_attention`` is the default. On the CPU in bfloat16 it is up to seven times slower than two matrix
products (in float32 and float16 the products lose: ``bench/attention.py`` measures it), so there they are written out.
Both are tested equal.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ATTENTION_NAME = "vistune"
# Queries of a piece of causal attention: of 640, pieces of 160 took about half the time of all at once, 80 no less.
_PIECE = 160
# Scores of some rows, which are done together if they are no more than these: 2 MB in bfloat16, a core's second cache.
_SCORES = 2**20
# Columns of a cache to one of its tokens up to which all are read. Copying reads, writes and reads again.
_ROOM = 3


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """Scaled dot-product attention by the faster of two equal ways.

    Args:
        query: [B, H, L, D]. key, value: [B, H, S, D].
        mask: broadcastable to [B, H, L, S]; bool (True = may attend) or additive float. None attends everywhere.
        dropout: probability; 0 outside of training.
        scale: factor on the logits, 1/sqrt(D) if None.

    Returns:
        [B, H, L, D]
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        return matmul_attention(query, key, value, mask, dropout, scale)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, scale=scale)


def matmul_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """Attention as two matrix products with the softmax between, a few rows at a time; arguments and result as of
    :func:`attention`."""
    if query.shape[2] > 1:
        key, value = key.contiguous(), value.contiguous()
    rows = max(1, _SCORES // max(1, query.shape[1] * query.shape[2] * key.shape[2]))
    # Where gradients are wanted, splitting costs the way back what it saves on the way there.
    if rows >= len(query) or torch.is_grad_enabled():
        return _attend(query, key, value, mask, dropout, scale)
    parts = []
    for start in range(0, len(query), rows):
        some = slice(start, start + rows)
        seen = mask[some] if mask is not None and mask.ndim == 4 and len(mask) > 1 else mask
        parts.append(_attend(query[some], key[some], value[some], seen, dropout, scale))
    return torch.cat(parts)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, scale: float | None
) -> Tensor:
    scores = _scores(query, key, scale)
    if mask is not None:
        # The lowest finite number, not -inf: a row that may attend nowhere (padding) must not become NaN.
        lowest = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~mask, lowest) if mask.dtype == torch.bool else scores + mask
    return _weighted(scores, value, dropout)


def causal_attention(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0, scale: float | None = None
) -> Tensor:
    """:func:`matmul_attention` where query i of L sees the first S - L + i + 1 keys, and the keys ahead cost nothing.

    In pieces: the scores of one stay in the processor's caches, and keys beyond its last query are left out.
    """
    length, before = query.shape[2], key.shape[2] - query.shape[2]
    # Otherwise each piece would copy its keys: a third of the time.
    key, value = key.contiguous(), value.contiguous()
    pieces = []
    for start in range(0, length, _PIECE):
        stop = min(start + _PIECE, length)
        scores = _scores(query[:, :, start:stop], key[:, :, : before + stop], scale)
        # Among these queries' own keys alone some lie ahead.
        own = scores[..., before + start :]
        own.masked_fill_(torch.ones_like(own[0, 0], dtype=torch.bool).triu(1), torch.finfo(own.dtype).min)
        pieces.append(_weighted(scores, value[:, :, : before + stop], dropout))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)


def _scores(query: Tensor, key: Tensor, scale: float | None) -> Tensor:
    """[B, H, L, S]"""
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    if query.shape[2] == 1 and not key.is_contiguous():
        # For the one query of a next token, whose earlier keys lie in a cache with room: a turned key would be copied.
        scores = torch.matmul(_whole(key), query.transpose(-1, -2)).transpose(-1, -2)
        return scores[..., : key.shape[2]]
    return torch.matmul(query, key.transpose(-1, -2))


def _weighted(scores: Tensor, value: Tensor, dropout: float) -> Tensor:
    """Values by the softmax of their scores, [B, H, L, D]"""
    weights = torch.softmax(scores, dim=-1)
    if dropout:
        weights = F.dropout(weights, p=dropout)
    whole = _whole(value) if weights.shape[2] == 1 else value
    weights = F.pad(weights.to(value.dtype), (0, whole.shape[2] - value.shape[2]))
    return torch.matmul(weights, whole)


def with_room(states: Tensor, whole: Tensor) -> Tensor:
    """Keys or values [B, H, S, D] that are the first ones of ``whole`` [B, H, R, D]; marked, as matrix products in
    bfloat16 would copy them, but not the whole.

    Args:
        whole: its other columns are multiplied by zeros: they must be numbers.
    """
    states.whole = whole  # type: ignore[attr-defined]
    return states


def _whole(states: Tensor) -> Tensor:
    """What ``states`` are the first columns of, unless it takes longer to read than to copy them."""
    whole: Tensor | None = getattr(states, "whole", None)
    return states if whole is None or whole.shape[2] > _ROOM * states.shape[2] else whole


def transformers_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """:func:`attention` in the form that transformers' models call; other cases go to their own ``sdpa``.

    Of keys there may be fewer rows than of queries: those of prompts, for the next tokens of all their beams.
    """
    from transformers.integrations.sdpa_attention import create_position_bias_mask, repeat_kv, sdpa_attention_forward

    if len(query) > len(key):
        beams = len(query) // len(key)
        seen, added = (
            part if part is None or len(part) == 1 else part[::beams] for part in (attention_mask, position_bias)
        )
        together = query.squeeze(2).unflatten(0, (len(key), beams)).transpose(1, 2)  # [B, H, beams, D]
        output, _ = transformers_attention(
            module, together, key, value, seen, dropout, scaling, is_causal=False, position_bias=added, **kwargs
        )
        return output.flatten(0, 1).unsqueeze(1), None
    # Under autocast rotary embeddings leave query and key in float32 beside a bfloat16 value.
    if not (query.device.type == "cpu" and torch.bfloat16 in (query.dtype, value.dtype)):
        return sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            is_causal=is_causal,
            position_bias=position_bias,
            **kwargs,
        )
    groups = int(getattr(module, "num_key_value_groups", 1))
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    causal = causal and query.shape[2] > 1 and attention_mask is None
    if position_bias is not None:
        attention_mask = create_position_bias_mask(position_bias, attention_mask, causal, query, key)
    query, key = query.to(value.dtype), key.to(value.dtype)
    if causal and position_bias is None:
        output = causal_attention(query, key, value, dropout, scaling)
    else:
        output = attention(query, key, value, attention_mask, dropout, scaling)
    return output.transpose(1, 2).contiguous(), None


def use_attention(model: Any) -> None:
    """Let a transformers model use :func:`attention`, where transformers itself would take ``sdpa``.

    Models that need more than that (soft-capped scores, attention sinks) keep what transformers chose for them.
    """
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(register_attention())


def register_attention() -> str:
    """Make ``attn_implementation=ATTENTION_NAME`` known to transformers (idempotent) and return the name."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

    AttentionInterface.register(ATTENTION_NAME, transformers_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION_NAME, sdpa_mask)
    return ATTENTION_NAME
