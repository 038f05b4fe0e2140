"""Prompts read a few rows at a time: what one read of all rows gives, in tokens, scores and memory's layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.families import Pair, load_pair
from transformers import MistralConfig

from vistune.infer import generation, reading
from vistune.infer.caches import cache_pairs
from vistune.infer.reading import read_at_once, read_in_groups
from vistune.model.language import LanguageModel

# Columns of padding before each row's tokens, of 9.
PADDING = (6, 5, 2, 0, 8)
FAMILIES = ["instructblip-llama", "blip2-opt", "llava-mlp"]


@pytest.fixture(params=FAMILIES)
def pair(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> Pair:
    return load_pair(tiny_checkpoints[request.param])


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three groups of the rows above: two rows, one, two."""
    monkeypatch.setattr(reading, "_TOKENS", 8)


def prompts(language: LanguageModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and mask of five left-padded rows."""
    torch.manual_seed(0)
    mask = torch.tensor([[0] * padding + [1] * (9 - padding) for padding in PADDING])
    return language.embed(torch.randint(5, 20, mask.shape)), mask


@pytest.fixture
def memory_without_numbers() -> Iterator[None]:
    """Tensors that nothing was written to are NaN, and not what happened to stand in memory."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@torch.inference_mode()
@pytest.mark.usefixtures("memory_without_numbers")
def test_states_and_logits_are_those_of_one_read(pair: Pair) -> None:
    language = pair.predictor.model.language
    embeds, mask = prompts(language)
    expected, plain = read_at_once(language, embeds, mask)
    for beams in (1, 3):
        found = read_in_groups(language, embeds, mask, room=4, beams=beams)
        assert found is not None
        logits, cache = found
        torch.testing.assert_close(logits, expected, atol=2e-5, rtol=0)
        real = mask.bool().repeat_interleave(beams, 0)
        for ours, theirs in zip(cache_pairs(cache), cache_pairs(plain), strict=True):
            for mine, other in zip(ours, theirs, strict=True):
                assert mine.isfinite().all() and len(mine) == len(mask) * beams
                rows = other.repeat_interleave(beams, 0).transpose(1, 2)[real]
                torch.testing.assert_close(mine.transpose(1, 2)[real], rows, atol=2e-5, rtol=0)


@torch.inference_mode()
def test_neighbours_are_read_together_without_their_padding(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    language = pair.predictor.model.language
    embeds, mask = prompts(language)
    read: list[tuple[int, int]] = []
    decode = language.decode

    def noting(embeds: Any, *arguments: Any, **named: Any) -> Any:
        read.append((embeds.shape[0], embeds.shape[1]))
        return decode(embeds, *arguments, **named)

    monkeypatch.setattr(language, "decode", noting)
    read_in_groups(language, embeds, mask)
    assert read == [(2, 4), (1, 7), (1, 9), (1, 1)]


@pytest.mark.parametrize("arguments", [{"num_beams": 1}, {"num_beams": 3}, {"do_sample": True, "seed": 1}])
def test_answers_are_the_same(pair: Pair, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"raw": True, "max_new_tokens": 6, **arguments}
    called: list[bool] = []

    def noting(*given: Any) -> Any:
        found = read_in_groups(*given)
        called.append(found is not None)
        return found

    monkeypatch.setattr(generation, "read_in_groups", noting)
    monkeypatch.setattr("vistune.infer.beams.read_in_groups", noting)
    found = pair.predictor.generate(pair.pictures, pair.prompts, **named)
    assert called == [True]
    monkeypatch.setattr(reading, "_TOKENS", 10**6)
    assert pair.predictor.generate(pair.pictures, pair.prompts, **named) == found


def test_scores_are_the_same(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["red", "a circle", "a red circle"]
    found = pair.predictor.rank(pair.pictures, pair.prompts, words, raw=True)
    monkeypatch.setattr(reading, "_TOKENS", 10**6)
    for ours, expected in zip(found, pair.predictor.rank(pair.pictures, pair.prompts, words, raw=True), strict=True):
        assert ours.scores == pytest.approx(expected.scores, abs=1e-4)


@torch.inference_mode()
def test_models_that_forget_are_read_at_once() -> None:
    sizes: dict[str, Any] = {"vocab_size": 30, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    config = MistralConfig(**sizes, num_hidden_layers=2, num_key_value_heads=2, sliding_window=4)
    language = LanguageModel(config).eval()
    assert read_in_groups(language, *prompts(language)) is None


@torch.inference_mode()
def test_one_group_is_read_at_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_TOKENS", 45)
    assert read_in_groups(pair.predictor.model.language, *prompts(pair.predictor.model.language)) is None
