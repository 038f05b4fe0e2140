"""The best of many candidates: the same as ranking them all, and most of them are never read."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from tests.families import Pair, load_pair

from vistune.errors import InputError
from vistune.infer import scoring
from vistune.infer.best import score_best
from vistune.infer.tree import Nodes, score_trees
from vistune.infer.trie import ROOT, Trie, build_tries

VOCABULARY = 12
WORDS = ("a", "red", "blue", "circle", "square", "two", "dogs", "left", "of", "the")


class Table:
    """A reader whose log-probabilities depend on the prompt and on the tokens that a node sees."""

    def __init__(self, rows: int, sharpness: float, seed: int = 0) -> None:
        self._draw = torch.Generator().manual_seed(seed)
        self._sharpness = sharpness
        self._after: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}
        self._tokens = torch.zeros(rows, 0, dtype=torch.long)
        self._depths = torch.zeros(rows, 0, dtype=torch.long)
        self.read_nodes = 0
        self.first = torch.stack([self.after(row, ()) for row in range(rows)])

    def after(self, row: int, prefix: tuple[int, ...]) -> torch.Tensor:
        if (row, prefix) not in self._after:
            logits = self._sharpness * torch.randn(VOCABULARY, generator=self._draw)
            self._after[row, prefix] = logits.log_softmax(-1)
        return self._after[row, prefix]

    def read(self, nodes: Nodes) -> torch.Tensor:
        self._tokens = torch.cat([self._tokens, nodes.tokens], dim=1)
        self._depths = torch.cat([self._depths, nodes.depths], dim=1)
        self.read_nodes += nodes.tokens.numel()
        out = torch.zeros(*nodes.tokens.shape, VOCABULARY)
        for row in range(len(out)):
            for place in range(nodes.width):
                columns = nodes.seen[row, place].nonzero().squeeze(1).tolist()
                assert sorted(self._depths[row, columns].tolist()) == list(range(len(columns)))
                ordered = sorted(columns, key=lambda column: int(self._depths[row, column]))
                out[row, place] = self.after(row, tuple(self._tokens[row, ordered].tolist()))
        return out


def some_candidates(count: int, seed: int) -> list[list[int]]:
    draw = random.Random(seed)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found[tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(1, 5)))] = None
    return [list(ids) for ids in found]


def true_score(table: Table, row: int, ids: list[int]) -> float:
    return sum(float(table.after(row, tuple(ids[:length]))[token]) for length, token in enumerate(ids))


@pytest.mark.parametrize("max_nodes", [2, 7, 512])
@pytest.mark.parametrize("top", [1, 5, 60, 200])
def test_the_best_are_those_of_all(top: int, max_nodes: int) -> None:
    lists = [some_candidates(200, 1), some_candidates(90, 2)]
    table = Table(2, sharpness=2.0)
    tries = [build_tries(ids, None)[0] for ids in lists]
    found = score_best(table, tries, top, max_nodes)
    for row, (ids, trie, scores) in enumerate(zip(lists, tries, found, strict=True)):
        expected = [true_score(table, row, ids[member]) for member in trie.members]
        bound = sorted(expected, reverse=True)[min(top, len(ids)) - 1]
        for truth, score in zip(expected, scores, strict=True):
            assert score == (pytest.approx(truth, abs=1e-4) if truth > bound - 1e-6 else float("-inf"))


def test_a_sure_model_reads_little() -> None:
    trie = build_tries(some_candidates(2000, 3), None)[0]
    sure = Table(1, sharpness=8.0)
    score_best(sure, [trie], top=1, max_nodes=16)
    assert sure.read_nodes < len(trie) / 20
    everything = Table(1, sharpness=8.0)
    score_best(everything, [trie], top=len(trie.members), max_nodes=16)
    assert everything.read_nodes >= len(trie)


def test_equal_scores_at_the_border_all_stay() -> None:
    table = Table(1, sharpness=0.0)
    trie = build_tries([[1], [2], [3], [4, 5]], None)[0]
    scores = score_best(table, [trie], top=2, max_nodes=8)[0]
    one = pytest.approx(-math.log(VOCABULARY))
    assert scores == [one, one, one, float("-inf")]


def test_nothing_but_single_tokens() -> None:
    table = Table(1, sharpness=1.0)
    trie = build_tries([[1], [2]], None)[0]
    assert score_best(table, [trie], top=5, max_nodes=8) == score_trees(Table(1, sharpness=1.0), [trie])
    assert table.read_nodes == 0
    assert isinstance(trie, Trie) and trie.edge_nodes == [ROOT, ROOT]


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "blip2-opt", "llava-mlp"])
def test_a_model_ranks_as_with_all(
    family: str, tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair: Pair = load_pair(tiny_checkpoints[family])
    draw = random.Random(4)
    lists = [sorted({" ".join(draw.choices(WORDS, k=draw.randint(1, 4))) for _ in range(60)}) for _ in pair.prompts]
    every = pair.predictor.rank(pair.pictures, pair.prompts, lists, raw=True)
    monkeypatch.setattr(scoring, "MAX_ROW_NODES", 10)
    for batch_size in (1, 16):
        best = pair.predictor.rank(pair.pictures, pair.prompts, lists, raw=True, batch_size=batch_size, top=7)
        for one, other in zip(every, best, strict=True):
            assert one.order[:7] == other.order[:7]
            assert [other.scores[i] for i in other.order[:7]] == pytest.approx(
                [one.scores[i] for i in one.order[:7]], abs=2e-4
            )
            assert sum(math.isfinite(score) for score in other.scores) == 7


def test_wrong_numbers(tiny_checkpoints: dict[str, Path]) -> None:
    pair = load_pair(tiny_checkpoints["llava-mlp"])
    for arguments in ({"top": 0}, {"top": 3, "reduce": "mean"}):
        with pytest.raises(InputError, match="expected at least 1, and reduce='sum'"):
            pair.predictor.rank(pair.pictures, pair.prompts, ["a", "b"], raw=True, **arguments)
