"""Ranking token by token: all nodes of one depth as a batch, each on its parent's key/value cache.

For encoder-decoders other than T5 and for decoder-only models whose cache or positions do not allow a tree in one row.
Shared prefixes are computed once here too; the encoder and the cross-attention's keys and values are computed once a
prompt and only viewed by its candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vistune.infer.caches import Pairs, cache_pairs, make_encoder_decoder_cache, take_rows
from vistune.infer.trie import ROOT, Trie
from vistune.model.language import LanguageModel


@dataclass
class EncodedPrompts:
    """B prompts through encoder and first decoder step: next-token log-probabilities [B, V], caches, mask [B, S]."""

    first: Tensor
    states: Tensor
    self_pairs: Pairs
    cross_pairs: Pairs
    mask: Tensor

    def rows(self, rows: slice) -> EncodedPrompts:
        """Some of the prompts."""
        own, cross = ([(k[rows], v[rows]) for k, v in pairs] for pairs in (self.self_pairs, self.cross_pairs))
        return EncodedPrompts(self.first[rows], self.states[rows], own, cross, self.mask[rows])


def encode_prompts(language: LanguageModel, embeds: Tensor, mask: Tensor) -> EncodedPrompts:
    """embeds [B, S, d], mask [B, S] through the encoder, and the decoder's start token after it."""
    model = language.model
    states = model.get_encoder()(inputs_embeds=embeds, attention_mask=mask).last_hidden_state
    start = torch.full((embeds.shape[0], 1), int(model.config.decoder_start_token_id), device=embeds.device)
    output = _decode(model, start, states, mask, None)
    cache = output.past_key_values
    return EncodedPrompts(
        output.logits[:, -1].float().log_softmax(-1),
        states,
        cache_pairs(cache.self_attention_cache),
        cache_pairs(cache.cross_attention_cache),
        mask,
    )


def score_levels(language: LanguageModel, state: EncodedPrompts, tries: Sequence[Trie]) -> list[list[float]]:
    """Candidate scores of one trie a prompt of an encoder-decoder; the rows of one step are the nodes of one depth."""
    nodes = [(row, node) for row, trie in enumerate(tries) for node in range(len(trie))]
    depth = 0
    pairs, place = state.self_pairs, {(row, ROOT): row for row in range(len(tries))}
    logs = {(row, ROOT): state.first[row] for row in range(len(tries))}
    while level := [(row, node) for row, node in nodes if tries[row].depths[node] == depth]:
        device = state.mask.device
        prompts = torch.tensor([row for row, _ in level], device=device)
        parents = torch.tensor([place[row, tries[row].parents[node]] for row, node in level], device=device)
        tokens = torch.tensor([[tries[row].tokens[node]] for row, node in level], device=device)
        cache = make_encoder_decoder_cache(take_rows(pairs, parents), take_rows(state.cross_pairs, prompts))
        output = _decode(language.model, tokens, _states(state.states, prompts), state.mask[prompts], cache)
        pairs = cache_pairs(output.past_key_values.self_attention_cache)
        place = {key: index for index, key in enumerate(level)}
        logs.update(zip(level, output.logits[:, -1].float().log_softmax(-1), strict=True))
        depth += 1
    return [
        trie.sum_paths(torch.stack([logs[row, n][t] for n, t in zip(trie.edge_nodes, trie.edge_tokens, strict=True)]))
        for row, trie in enumerate(tries)
    ]


def _states(states: Tensor, rows: Tensor) -> Tensor:
    """Encoder states for each row: only their shape is still read, as the cross-attention's cache is complete."""
    return states[:1].expand(len(rows), -1, -1)


def _decode(model: Any, tokens: Tensor, states: Tensor, mask: Tensor, cache: Any) -> Any:
    """tokens [R, 1] -> transformers' output with logits [R, 1, V] and the grown cache"""
    return model(
        encoder_outputs=(states,),
        attention_mask=mask,
        decoder_input_ids=tokens,
        past_key_values=cache,
        use_cache=True,
    )


def score_paths(language: LanguageModel, embeds: Tensor, mask: Tensor, tries: Sequence[Trie]) -> list[list[float]]:
    """Candidate scores of a decoder-only model without a shareable cache: every node as a row of its own.

    embeds [B, P, d], mask [B, P], left-padded. Prompt and prefix are read again for every node: the slow way.
    """
    scores = []
    for row, trie in enumerate(tries):
        prefixes: list[list[int]] = [[]]
        for node, parent in enumerate(trie.parents):
            prefixes.append([*prefixes[parent + 1], trie.tokens[node]])
        logs = torch.cat([_prefix_logs(language, embeds[row], mask[row], prefix) for prefix in prefixes])
        edges = torch.tensor(trie.edge_nodes, device=logs.device) + 1
        scores.append(trie.sum_paths(logs[edges, torch.tensor(trie.edge_tokens, device=logs.device)]))
    return scores


def _prefix_logs(language: LanguageModel, embeds: Tensor, mask: Tensor, prefix: list[int]) -> Tensor:
    """Log-probabilities after prompt and prefix -> [1, V]"""
    rows = embeds[None][:, mask.bool()]
    if prefix:
        rows = torch.cat([rows, language.embed(torch.tensor([prefix], device=embeds.device)).to(rows.dtype)], dim=1)
    ones = mask.new_ones(1, rows.shape[1])
    logits, _ = language.decode(rows, ones, ones.cumsum(-1) - 1, last_only=True)
    return logits[:, -1].float().log_softmax(-1)
