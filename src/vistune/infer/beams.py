"""Prompts read once for all their beams: transformers repeats a prompt for each beam before it reads anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from vistune.infer.caches import cache_pairs, is_growing, make_prompt_cache, make_roomy_cache
from vistune.infer.levels import encode_prompts
from vistune.infer.reading import read_at_once, read_in_groups

if TYPE_CHECKING:
    from vistune.model.language import LanguageModel


def read_for_beams(
    language: LanguageModel, embeds: Tensor, mask: Tensor, beginning: DynamicCache | None, beams: int, room: int
) -> dict[str, Any]:
    """Arguments of transformers' generate that spare it the prompts; none where the model's cache cannot be shared.

    Args:
        embeds: [B, L, d], left-padded for decoder-only models. mask: [B, L]. beginning: of the first columns, if read.
        room: tokens that may follow.
    """
    if language.is_encoder_decoder:
        return _encoded(language, embeds, mask, beams, room)
    # All but the last column, whose logits transformers wants to compute itself.
    embeds, mask = embeds[:, :-1], mask[:, :-1]
    if beginning is None and (found := read_in_groups(language, embeds, mask, room + 1, beams)):
        return {"past_key_values": found[1]}
    cache = beginning
    if (0 if beginning is None else beginning.get_seq_length()) < embeds.shape[1]:
        _, cache = read_at_once(language, embeds, mask, beginning)
    if cache is None or not is_growing(cache):
        return {}
    return {"past_key_values": make_roomy_cache(cache_pairs(cache), beams, room + 1)}


def _encoded(language: LanguageModel, embeds: Tensor, mask: Tensor, beams: int, room: int) -> dict[str, Any]:
    """The encoder's states, and the cross-attention's keys and values, which no step changes."""
    prompts = encode_prompts(language, embeds, mask)
    nothing = [(keys[:, :, :0], values[:, :, :0]) for keys, values in prompts.self_pairs]
    own = make_roomy_cache(nothing, beams, room + 1)
    pairs = prompts.cross_pairs
    between = make_prompt_cache(pairs) if language.attends_in_beams else make_roomy_cache(pairs, beams, 0)
    return {
        "encoder_outputs": BaseModelOutput(last_hidden_state=prompts.states),
        "past_key_values": EncoderDecoderCache(own, between),
    }
