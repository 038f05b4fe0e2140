"""Tries of candidates behind prompts that were read once: the nodes of a trie lie side by side in the prompt's row.

Each node sees the prompt and its own ancestors, and stands at the position (or distance) that its depth says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from vistune.infer.caches import Pairs, cache_pairs, is_growing, make_cache
from vistune.infer.reading import read_at_once, read_in_groups
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
    found = read_in_groups(language, embeds, mask) if beginning is None else None
    logits, cache = found or read_at_once(language, embeds, mask, beginning)
    growing = is_growing(cache) and language.takes_positions
    return PromptState(
        logits[:, -1].float().log_softmax(-1), cache_pairs(cache) if growing else [], mask, mask.sum(-1), growing
    )


class Reader(Protocol):
    """What reads nodes behind B prompts; log-probabilities of the next token after the bare prompts: first [B, V]."""

    first: Tensor

    def read(self, nodes: Nodes) -> Sequence[Tensor]:
        """Log-probabilities after every node of each row, [its nodes, V]; later nodes may have these as ancestors."""
        ...


class PromptReader:
    """Nodes in the rows of a decoder-only model."""

    def __init__(self, language: LanguageModel, state: PromptState) -> None:
        self.first = state.first
        self._language = language
        self._state = state
        self._cache = make_cache(state.pairs)

    def read(self, nodes: Nodes) -> Sequence[Tensor]:
        """See Reader."""
        prompt = self._state.mask.bool()[:, None, :].expand(-1, nodes.width, -1)
        mask = torch.cat([prompt, nodes.seen], dim=-1)[:, None]
        positions = self._state.lengths[:, None] + nodes.depths
        embeds = self._language.embed(nodes.tokens)
        logits, self._cache = self._language.decode(embeds, mask, positions, self._cache, only=nodes.real)
        return nodes.by_row(logits.float().log_softmax(-1))


def score_trees(reader: Reader, tries: Sequence[Trie]) -> list[list[float]]:
    """Scores of all candidates of one trie a prompt, all in one forward."""
    nodes = lay_out(tries, reader.first.device)
    return sum_paths(tries, reader.first, None if nodes is None else reader.read(nodes))


@dataclass
class Nodes:
    """W nodes a row to be read: tokens and depths [B, W].

    seen: [B, W, S + W] bool, what each sees of the S nodes read before and of these: its ancestors and itself.
    counts: nodes of each row; behind them it is filled with token 0 at depth 0, which sees itself alone.
    """

    tokens: Tensor
    depths: Tensor
    seen: Tensor
    counts: Sequence[int]

    @property
    def width(self) -> int:
        """Columns, the most nodes of a row."""
        return self.tokens.shape[1]

    @property
    def real(self) -> Tensor:
        """[B, W] bool: what is no filling."""
        device = self.tokens.device
        return torch.arange(self.width, device=device) < torch.tensor(self.counts, device=device)[:, None]

    def by_row(self, values: Tensor) -> Sequence[Tensor]:
        """[N, ...] of all N nodes, row after row -> what is each row's"""
        return values.split(list(self.counts))


def lay_out(tries: Sequence[Trie], device: torch.device) -> Nodes | None:
    """One trie a row; None where no candidate goes on after its first token."""
    width = max(len(trie) for trie in tries)
    if not width:
        return None
    tokens = torch.zeros(len(tries), width, dtype=torch.long)
    depths = torch.zeros(len(tries), width, dtype=torch.long)
    seen = torch.eye(width, dtype=torch.bool).repeat(len(tries), 1, 1)
    masks: dict[int, Tensor] = {}
    for row, trie in enumerate(tries):
        size = len(trie)
        if not size:
            continue
        tokens[row, :size] = torch.tensor(trie.tokens)
        depths[row, :size] = torch.tensor(trie.depths)
        if id(trie) not in masks:  # prompts that share their candidates share the trie object
            masks[id(trie)] = trie.ancestors()
        seen[row, :size, :size] = masks[id(trie)]
    return Nodes(tokens.to(device), depths.to(device), seen.to(device), [len(trie) for trie in tries])


def sum_paths(tries: Sequence[Trie], first: Tensor, log_probs: Sequence[Tensor] | None) -> list[list[float]]:
    """Candidate scores from log-probabilities after the prompt [B, V] and after each row's nodes [its nodes, V]."""
    scores = []
    for row, trie in enumerate(tries):
        nodes = torch.tensor(trie.edge_nodes, device=first.device)
        tokens = torch.tensor(trie.edge_tokens, device=first.device)
        picked = first[row, tokens]
        if log_probs is not None and len(trie):
            picked = torch.where(nodes == ROOT, picked, log_probs[row][nodes.clamp_min(0), tokens])
        scores.append(trie.sum_paths(picked))
    return scores
