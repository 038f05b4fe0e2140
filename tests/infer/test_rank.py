"""Ranking against the plain way: prompt + candidate, one at a time."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.families import Pair, load_pair

from vistune.errors import InputError
from vistune.infer import scoring
from vistune.infer.trie import ROOT, build_tries

CANDIDATES = ["yes", "no", "a red circle", "a red square", "a big red square on the left", "circle", "two dogs", "a"]
# In float32; worst seen 3.2e-5 (T5).
TOLERANCE = 1e-4


@pytest.fixture
def pair(tiny_checkpoint: Path) -> Pair:
    """T5's random logits reach 50, of which float32 keeps five digits; a smaller head gives them a usual size."""
    loaded = load_pair(tiny_checkpoint)
    if loaded.predictor.processor.encoder_decoder:
        with torch.no_grad():
            loaded.predictor.model.language.model.get_output_embeddings().weight.mul_(0.1)
    return loaded


@torch.no_grad()
def brute_force(pair: Pair, row: int, candidate: str, closing: bool) -> float:
    """Sum of the candidate's log-probabilities from one plain forward."""
    processor = pair.predictor.processor
    batch = processor.encode([pair.pictures[row]], [pair.prompts[row]], [candidate], raw=True)
    if not closing:
        batch = replace(batch, labels=torch.cat([batch.labels[:, :-1], torch.full((1, 1), -100)], dim=1))
    return -pair.predictor.model(**batch.model_inputs()).loss_sum.item()


def close(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=0.0, abs_tol=TOLERANCE)


def test_scores_equal_brute_force(pair: Pair) -> None:
    closing = pair.predictor.processor.encoder_decoder
    rankings = pair.predictor.rank(pair.pictures, pair.prompts, CANDIDATES, raw=True)
    for row, result in enumerate(rankings):
        assert result.candidates == tuple(CANDIDATES)
        for candidate, score in zip(CANDIDATES, result.scores, strict=True):
            assert close(score, brute_force(pair, row, candidate, closing)), (row, candidate)
        assert result.scores[result.best] == max(result.scores)
        assert result.answer == CANDIDATES[result.best] == CANDIDATES[result.order[0]]


def test_closing_token_and_mean(pair: Pair) -> None:
    closing = not pair.predictor.processor.encoder_decoder
    target_ids = pair.predictor.processor.target_ids
    arguments = {"raw": True, "closing_token": closing}
    total = pair.predictor.rank(pair.pictures[:1], pair.prompts[:1], CANDIDATES, **arguments)[0]
    mean = pair.predictor.rank(pair.pictures[:1], pair.prompts[:1], CANDIDATES, reduce="mean", **arguments)[0]
    for index, candidate in enumerate(CANDIDATES):
        assert close(total.scores[index], brute_force(pair, 0, candidate, closing))
        assert mean.scores[index] == pytest.approx(total.scores[index] / len(target_ids(candidate, closing)))


def test_order_batch_and_chunks_change_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    rank = pair.predictor.rank
    together = rank(pair.pictures, pair.prompts, CANDIDATES, raw=True)
    shuffled = random.Random(0).sample(CANDIDATES, len(CANDIDATES))
    alone = rank(pair.pictures, pair.prompts, shuffled, raw=True, batch_size=1)
    monkeypatch.setattr(scoring, "MAX_ROW_NODES", 2)
    in_parts = rank(pair.pictures, pair.prompts, CANDIDATES, raw=True)
    for one, other, part in zip(together, alone, in_parts, strict=True):
        scores = dict(zip(other.candidates, other.scores, strict=True))
        assert all(close(score, scores[name]) for name, score in zip(one.candidates, one.scores, strict=True))
        assert all(close(a, b) for a, b in zip(one.scores, part.scores, strict=True))
    reversed_order = rank(pair.pictures[:1], pair.prompts[:1], CANDIDATES[::-1], raw=True)[0].scores[::-1]
    assert rank(pair.pictures[:1], pair.prompts[:1], CANDIDATES, raw=True)[0].scores == reversed_order


def test_lists_of_their_own_for_every_prompt(pair: Pair) -> None:
    lists = [["yes", "no"], ["a red circle", "circle", "a"], ["two dogs"]]
    rankings = pair.predictor.rank(pair.pictures, pair.prompts, lists, raw=True)
    for row, (result, row_candidates) in enumerate(zip(rankings, lists, strict=True)):
        alone = pair.predictor.rank([pair.pictures[row]], [pair.prompts[row]], row_candidates, raw=True)[0]
        assert all(close(a, b) for a, b in zip(result.scores, alone.scores, strict=True))


def test_a_model_without_a_shareable_cache_scores_the_same(
    tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = load_pair(tiny_checkpoints["llava-mlp"])
    expected = pair.predictor.rank(pair.pictures, pair.prompts, CANDIDATES, raw=True)
    monkeypatch.setattr("vistune.infer.tree.is_growing", lambda cache: False)
    slow = pair.predictor.rank(pair.pictures, pair.prompts, CANDIDATES, raw=True)
    for one, other in zip(expected, slow, strict=True):
        assert all(close(a, b) for a, b in zip(one.scores, other.scores, strict=True))


def test_an_encoder_decoder_read_level_by_level_scores_the_same(
    tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = load_pair(tiny_checkpoints["instructblip-t5"])
    expected = pair.predictor.rank(pair.pictures, pair.prompts, CANDIDATES, raw=True)
    monkeypatch.setattr(scoring, "takes_relative_trees", lambda language: False)
    slow = pair.predictor.rank(pair.pictures, pair.prompts, CANDIDATES, raw=True)
    for one, other in zip(expected, slow, strict=True):
        assert all(close(a, b) for a, b in zip(one.scores, other.scores, strict=True))


def test_shared_prefixes_are_computed_once(tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pair = load_pair(tiny_checkpoints["llava-mlp"])
    language = pair.predictor.model.language
    columns: list[int] = []
    decode = language.decode

    def counting(embeds: torch.Tensor, *arguments: object, **named: object) -> object:
        columns.append(embeds.shape[1])
        return decode(embeds, *arguments, **named)

    monkeypatch.setattr(language, "decode", counting)
    pair.predictor.rank(pair.pictures[:1], pair.prompts[:1], CANDIDATES, raw=True)
    sequences = [pair.predictor.processor.target_ids(c, False) for c in CANDIDATES]
    prefixes = {tuple(ids[:length]) for ids in sequences for length in range(1, len(ids))}
    assert len(columns) == 2, "one forward for the prompt, one for all candidates"
    assert columns[1] == len(prefixes)


def test_tries_hold_every_candidate_once_and_stay_small() -> None:
    draw = random.Random(1)
    sequences = [[draw.randrange(5) for _ in range(draw.randrange(1, 6))] for _ in range(200)]
    tries = build_tries(sequences, max_nodes=20)
    assert sorted(member for trie in tries for member in trie.members) == list(range(200))
    for trie in tries:
        assert len(trie) <= 20
        for member, path in zip(trie.members, trie.paths, strict=True):
            assert [trie.edge_tokens[edge] for edge in path] == sequences[member]
            assert trie.edge_nodes[path[0]] == ROOT
        seen = trie.ancestors()
        assert seen.sum(1).tolist() == [depth + 1 for depth in trie.depths]


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "no candidates"),
        (["yes", ""], "Candidate 2 of 2 is empty"),
        (["yes", "no", "yes"], "'yes' is given more than once"),
        ("yes|no", "expected a list of strings"),
        ([["yes"], ["no"]], "2 candidate lists for 1 prompts"),
        ([[]], "no candidates"),
        (["yes", ["no"]], "mixes strings and lists"),
    ],
)
def test_wrong_candidates(tiny_checkpoints: dict[str, Path], candidates: list, message: str) -> None:
    pair = load_pair(tiny_checkpoints["llava-mlp"])
    with pytest.raises(InputError, match=message):
        pair.predictor.rank(pair.pictures[:1], pair.prompts[:1], candidates, raw=True)
