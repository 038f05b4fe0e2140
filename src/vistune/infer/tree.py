"""Ranking with a decoder-only model: prompt once, then each trie of candidates in one row under a tree mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.infer.caches import Pairs, cache_pairs, is_growing, make_cache
from vistune.infer.trie import ROOT, Trie
from vistune.model.language import LanguageModel

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache


@dataclass
class PromptState:
    """B prompts as read: log-probabilities of the next token [B, V], cache, mask [B, P], their lengths [B]."""

    first: Tensor
    pairs: Pairs
    mask: Tensor
    lengths: Tensor
    growing: bool

    def rows(self, rows: slice) -> PromptState:
        """Some of the prompts."""
        pairs = [(keys[rows], values[rows]) for keys, values in self.pairs]
        return PromptState(self.first[rows], pairs, self.mask[rows], self.lengths[rows], self.growing)


def read_prompts(
    language: LanguageModel, embeds: Tensor, mask: Tensor, beginning: DynamicCache | None = None
) -> PromptState:
    """Left-padded prompts, embeds [B, P, d] and mask [B, P], through the model once.

    Args:
        beginning: of the first columns, which are not read again.
    """
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    read = 0 if beginning is None else beginning.get_seq_length()
    logits, cache = language.decode(embeds[:, read:], mask, positions[:, read:], beginning, last_only=True)
    growing = is_growing(cache) and language.takes_positions
    return PromptState(
        logits[:, -1].float().log_softmax(-1), cache_pairs(cache) if growing else [], mask, mask.sum(-1), growing
    )


def score_trees(language: LanguageModel, state: PromptState, tries: Sequence[Trie]) -> list[list[float]]:
    """Candidate scores of one trie a prompt, all in one forward.

    The nodes of a trie lie side by side in the prompt's row; each sees the prompt and its own ancestors, and sits at
    the position its depth says.
    """
    width = max(len(trie) for trie in tries)
    log_probs: Tensor | None = None
    if width:
        log_probs = _node_log_probs(language, state, tries, width)
    scores = []
    for row, trie in enumerate(tries):
        nodes = torch.tensor(trie.edge_nodes, device=state.first.device)
        tokens = torch.tensor(trie.edge_tokens, device=state.first.device)
        table = (
            state.first[row : row + 1] if log_probs is None else torch.cat([log_probs[row], state.first[row : row + 1]])
        )
        # The root is -1: the last row of the table.
        scores.append(trie.sum_paths(table[torch.where(nodes == ROOT, len(table) - 1, nodes), tokens]))
    return scores


def _node_log_probs(language: LanguageModel, state: PromptState, tries: Sequence[Trie], width: int) -> Tensor:
    """Log-probabilities after every node -> [B, width, V]"""
    device, batch = state.mask.device, len(tries)
    tokens = torch.zeros(batch, width, dtype=torch.long)
    depths = torch.zeros(batch, width, dtype=torch.long)
    tree = torch.eye(width, dtype=torch.bool).repeat(batch, 1, 1)
    masks: dict[int, Tensor] = {}
    for row, trie in enumerate(tries):
        size = len(trie)
        if not size:
            continue
        tokens[row, :size] = torch.tensor(trie.tokens)
        depths[row, :size] = torch.tensor(trie.depths)
        if id(trie) not in masks:  # prompts that share their candidates share the trie object
            masks[id(trie)] = trie.ancestors()
        tree[row, :size, :size] = masks[id(trie)]
    prompt = state.mask.bool()[:, None, :].expand(-1, width, -1)
    mask = torch.cat([prompt, tree.to(device)], dim=-1)[:, None]
    positions = state.lengths[:, None] + depths.to(device)
    logits, _ = language.decode(language.embed(tokens.to(device)), mask, positions, make_cache(state.pairs))
    return logits.float().log_softmax(-1)
