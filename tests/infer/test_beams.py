"""Beams: a prompt is read once for all of them, and answers are transformers' own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.families import Pair, load_pair
from tests.tiny import picture

import vistune
from vistune.infer import generation

BEAMS = 3
ARGUMENTS: dict[str, Any] = {"raw": True, "num_beams": BEAMS, "max_new_tokens": 6, "length_penalty": -1.0}


@pytest.fixture(params=["instructblip-llama", "instructblip-t5", "blip2-opt", "blip2-t5", "llava-mlp"])
def pair(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> Pair:
    return load_pair(tiny_checkpoints[request.param])


def test_answers_are_those_of_prompts_read_by_transformers(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    found = pair.predictor.generate(pair.pictures, pair.prompts, **ARGUMENTS)
    monkeypatch.setattr(generation, "read_for_beams", lambda *arguments: {})
    assert found == pair.predictor.generate(pair.pictures, pair.prompts, **ARGUMENTS)


def test_beams_share_the_keys_of_their_prompts_words(tiny_checkpoints: dict[str, Path]) -> None:
    pair = load_pair(tiny_checkpoints["instructblip-t5"])
    attention = pair.predictor.model.language.model.get_decoder().block[0].layer[1].EncDecAttention
    rows: list[int] = []

    def note(module: object, arguments: Any, named: dict[str, Any]) -> None:
        cache = named["past_key_values"].cross_attention_cache
        rows.extend(len(layer.keys) for layer in cache.layers if layer.is_initialized)

    hook = attention.register_forward_pre_hook(note, with_kwargs=True)
    try:
        pair.predictor.generate(pair.pictures, pair.prompts, **ARGUMENTS)
    finally:
        hook.remove()
    assert rows and set(rows) == {len(pair.prompts)}


def test_models_with_another_attention_keep_keys_for_every_beam(tiny_checkpoints: dict[str, Path]) -> None:
    predictor = vistune.load(tiny_checkpoints["instructblip-t5"], device="cpu")
    pictures, prompts = [picture(0), picture(1)], ["what is it?", "what is in the picture?"]
    found = predictor.generate(pictures, prompts, **ARGUMENTS)
    assert predictor.model.language.attends_in_beams
    predictor.model.language.model.set_attn_implementation("eager")
    assert not predictor.model.language.attends_in_beams
    assert predictor.generate(pictures, prompts, **ARGUMENTS) == found


def test_a_prompt_is_read_once(pair: Pair) -> None:
    """Rows times columns that go into the language model's blocks: prompts once, then a column a beam."""
    language = pair.predictor.model.language
    read: list[tuple[int, int]] = []
    attended: list[int] = []

    def note(module: object, arguments: Any, named: dict[str, Any]) -> None:
        given = named.get("inputs_embeds")
        given = named.get("input_ids", arguments[0] if arguments else None) if given is None else given
        read.append((given.shape[0], given.shape[1]))

    stack = language.model.get_encoder() if language.is_encoder_decoder else language.model.get_decoder()
    with ExitStack() as hooks:
        hooks.callback(stack.register_forward_pre_hook(note, with_kwargs=True).remove)
        if language.is_encoder_decoder:
            keys = language.model.get_decoder().block[0].layer[1].EncDecAttention.k
            hook = keys.register_forward_pre_hook(lambda module, given: attended.append(given[0].shape[0]))
            hooks.callback(hook.remove)
        pair.predictor.generate(pair.pictures, pair.prompts, **{**ARGUMENTS, "max_new_tokens": 1})
    rows = len(pair.prompts)
    if language.is_encoder_decoder:
        assert [number for number, _ in read] == attended == [rows]
    else:
        assert [number for number, _ in read] == [rows, rows * BEAMS]
        assert read[1][1] == 1 < read[0][1]
