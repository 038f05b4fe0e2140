"""The best of many candidates, exactly, without reading them all (branch and bound over the trie).

No token raises a score: what begins worse than the k-th best whole candidate found so far is not among the k best. So
the likeliest beginnings are read first, and what cannot win is never read. A tuned model puts nearly all probability on
few of a thousand answers, and then little is left to read; scores of what is read are those of ranking everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vistune.infer.tree import Nodes, Reader
from vistune.infer.trie import ROOT, Trie

# Read together with the likeliest node is what is at most so much less likely, as a logarithm: less would take more
# forwards, more would read in vain what the first candidates found rule out.
_REACH = 7.0


def score_best(reader: Reader, tries: Sequence[Trie], top: int, max_nodes: int) -> list[list[float]]:
    """Scores of the ``top`` best candidates of one trie a prompt; -inf for those that cannot be among them.

    Args:
        tries: each with all candidates of its prompt. max_nodes: read at once over all rows.
    """
    shapes = {id(trie): _Shape.of(trie) for trie in tries}
    searches = [_Search(shapes[id(trie)], top) for trie in tries]
    for search, first in zip(searches, reader.first, strict=True):
        search.learn([ROOT], first[None])
    width = max(1, max_nodes // len(tries))
    columns = 0
    while True:
        parts = [search.likeliest(width) for search in searches]
        count = max(map(len, parts))
        if not count:
            return [search.scores() for search in searches]
        found = reader.read(_nodes(searches, parts, columns, count, reader.first.device))
        columns += count
        for search, nodes, logs in zip(searches, parts, found, strict=True):
            search.learn(nodes, logs)


@dataclass(frozen=True)
class _Shape:
    """A trie as tensors: node and token of every edge [E], the edge into every node [N], every candidate's last [C]."""

    trie: Trie
    edge_nodes: Tensor
    edge_tokens: Tensor
    into: Tensor
    last: Tensor

    @classmethod
    def of(cls, trie: Trie) -> _Shape:
        edges = {pair: edge for edge, pair in enumerate(zip(trie.edge_nodes, trie.edge_tokens, strict=True))}
        into = [edges[pair] for pair in zip(trie.parents, trie.tokens, strict=True)]
        last = [path[-1] for path in trie.paths]
        return cls(
            trie, *(torch.tensor(part, dtype=torch.long) for part in (trie.edge_nodes, trie.edge_tokens, into, last))
        )


@dataclass
class _Search:
    """What is known of one prompt's candidates.

    totals: [E], the score of what ends with an edge, -inf where it is not known. unread: [N] bool. ancestors: of every
    node read, the columns of its ancestors and of itself.
    """

    shape: _Shape
    top: int
    totals: Tensor = field(init=False)
    unread: Tensor = field(init=False)
    ancestors: dict[int, list[int]] = field(default_factory=lambda: {ROOT: []})

    def __post_init__(self) -> None:
        self.totals = torch.full((len(self.shape.edge_nodes),), float("-inf"), dtype=torch.float64)
        self.unread = torch.ones(len(self.shape.trie), dtype=torch.bool)

    def learn(self, nodes: Sequence[int], logs: Tensor) -> None:
        """Log-probabilities after these nodes: [len(nodes), V]"""
        if not nodes:
            return
        row = torch.full((len(self.shape.trie) + 1,), -1)
        # The root, -1, is the last one.
        row[torch.tensor(nodes)] = torch.arange(len(nodes))
        rows = row[self.shape.edge_nodes]
        edges = (rows >= 0).nonzero().squeeze(1)
        picked = logs[rows[edges].to(logs.device), self.shape.edge_tokens[edges].to(logs.device)].double().cpu()
        parents = self.shape.edge_nodes[edges]
        before = torch.where(parents == ROOT, 0.0, self.totals[self.shape.into[parents]]) if len(self.shape.into) else 0
        self.totals[edges] = picked + before

    def likeliest(self, count: int) -> list[int]:
        """Unread nodes that may lead to one of the best, the likeliest ones; they are taken as read from here on."""
        scores = self.totals[self.shape.into]
        open_nodes = (self.unread & scores.isfinite() & (scores >= self._bound())).nonzero().squeeze(1)
        if not len(open_nodes):
            return []
        near = open_nodes[scores[open_nodes] >= scores[open_nodes].max() - _REACH]
        chosen = near[scores[near].argsort(descending=True, stable=True)[:count]]
        self.unread[chosen] = False
        nodes: list[int] = chosen.tolist()
        return nodes

    def _bound(self) -> float:
        """The score of the ``top``-th best whole candidate; -inf while fewer are known."""
        whole = self.totals[self.shape.last]
        return float(whole.topk(self.top).values[-1]) if self.top <= len(whole) else float("-inf")

    def scores(self) -> list[float]:
        """In the order of the trie's members; -inf below the bound, whether known or not."""
        whole = self.totals[self.shape.last]
        listed: list[float] = whole.masked_fill(whole < self._bound(), float("-inf")).tolist()
        return listed


def _nodes(
    searches: Sequence[_Search],
    parts: Sequence[Sequence[int]],
    columns: int,
    count: int,
    device: torch.device,
) -> Nodes:
    """Nodes in their prompts' rows, after ``columns`` nodes read before."""
    tokens = torch.zeros(len(parts), count, dtype=torch.long)
    depths = torch.zeros(len(parts), count, dtype=torch.long)
    seen = torch.zeros(len(parts), count, columns + count, dtype=torch.bool)
    seen[:, :, columns:] = torch.eye(count, dtype=torch.bool)
    for row, (search, part) in enumerate(zip(searches, parts, strict=True)):
        trie = search.shape.trie
        for place, node in enumerate(part):
            before = search.ancestors[trie.parents[node]]
            search.ancestors[node] = [*before, columns + place]
            seen[row, place, before] = True
            tokens[row, place] = trie.tokens[node]
            depths[row, place] = trie.depths[node]
    return Nodes(tokens.to(device), depths.to(device), seen.to(device), [len(part) for part in parts])
