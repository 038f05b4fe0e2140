"""Candidates as tries: every shared prefix stands once, however many candidates begin with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

ROOT = -1


@dataclass
class Trie:
    """Some candidates of one prompt.

    A node is a prefix after which some candidate goes on, so its logits are needed; the root (the bare prompt) is -1.
    An edge is one token after one node; a candidate's score is the sum of its edges' log-probabilities.

    Args:
        tokens, parents, depths: one entry a node, parents before children; depth 0 directly follows the prompt.
        edge_nodes, edge_tokens: one entry an edge. paths: the edges of each candidate, first token first.
        members: positions of these candidates in the caller's list.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    edge_nodes: list[int] = field(default_factory=list)
    edge_tokens: list[int] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)
    members: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    def ancestors(self) -> Tensor:
        """[nodes, nodes] bool: row node may look at itself and at the nodes on its way from the root."""
        seen = torch.eye(len(self), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent != ROOT:
                seen[node] |= seen[parent]
        return seen

    def sum_paths(self, edge_scores: Tensor) -> list[float]:
        """Edge log-probabilities [edges] -> one sum a candidate, in the order of ``members``."""
        scores = edge_scores.double().tolist()
        return [sum(scores[edge] for edge in path) for path in self.paths]


def build_tries(sequences: Sequence[Sequence[int]], max_nodes: int | None) -> list[Trie]:
    """Tries of at most ``max_nodes`` nodes (one candidate longer than that stands alone); None: one of all.

    Candidates are taken in sorted order, so neighbours share prefixes and the caller's order changes nothing.
    """
    order = sorted(range(len(sequences)), key=lambda index: tuple(sequences[index]))
    tries: list[Trie] = []
    builder: _Builder | None = None
    for index in order:
        sequence = sequences[index]
        if builder is None or (
            max_nodes is not None and builder.trie.members and len(builder.trie) + builder.cost(sequence) > max_nodes
        ):
            builder = _Builder()
            tries.append(builder.trie)
        builder.add(index, sequence)
    return tries


class _Builder:
    def __init__(self) -> None:
        self.trie = Trie()
        self.nodes: dict[tuple[int, ...], int] = {(): ROOT}
        self.edges: dict[tuple[int, int], int] = {}

    def cost(self, sequence: Sequence[int]) -> int:
        """Number of nodes that this candidate would add."""
        prefix = tuple(sequence)
        return sum(prefix[:length] not in self.nodes for length in range(1, len(prefix)))

    def add(self, index: int, sequence: Sequence[int]) -> None:
        path = []
        for length, token in enumerate(sequence):
            path.append(self._edge(self._node(tuple(sequence[:length])), token))
        self.trie.paths.append(path)
        self.trie.members.append(index)

    def _node(self, prefix: tuple[int, ...]) -> int:
        if prefix not in self.nodes:
            trie = self.trie
            trie.tokens.append(prefix[-1])
            trie.parents.append(self.nodes[prefix[:-1]])
            trie.depths.append(len(prefix) - 1)
            self.nodes[prefix] = len(trie) - 1
        return self.nodes[prefix]

    def _edge(self, node: int, token: int) -> int:
        if (node, token) not in self.edges:
            self.trie.edge_nodes.append(node)
            self.trie.edge_tokens.append(token)
            self.edges[(node, token)] = len(self.edges)
        return self.edges[(node, token)]
