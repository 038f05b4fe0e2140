"""The cache with room: what transformers' own would hold, without copying it for every token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.families import load_pair
from transformers import LlamaConfig, MistralConfig
from transformers.cache_utils import DynamicLayer

from vistune.infer import generation
from vistune.infer.caches import RoomyLayer, empty_roomy_cache
from vistune.model.attention import attention

ROWS, HEADS, WIDTH, BEAMS = 2, 3, 4, 3


def states(rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, HEADS, length, WIDTH), torch.randn(rows, HEADS, length, WIDTH)


@pytest.mark.parametrize("length", [0, 5])
def test_beams_hold_what_transformers_layer_holds(length: int) -> None:
    torch.manual_seed(0)
    keys, values = states(ROWS, length)
    roomy = RoomyLayer(room=4, beams=BEAMS).begin(keys, values)
    plain = DynamicLayer()
    if length:
        plain.update(keys, values)
        plain.batch_repeat_interleave(BEAMS)
    for columns, beams in ((1, [1, 1, 0, 5, 3, 3]), (2, [0, 2, 2, 4, 4, 4]), (1, [2, 1, 0, 3, 5, 4])):
        new = states(ROWS * BEAMS, columns)
        for found, expected in zip(roomy.update(*new), plain.update(*new), strict=True):
            assert torch.equal(found, expected)
        for layer in (roomy, plain):
            layer.reorder_cache(torch.tensor(beams))
        assert torch.equal(roomy.keys, plain.keys) and torch.equal(roomy.values, plain.values)
        assert roomy.get_seq_length() == plain.get_seq_length()


def test_nothing_is_copied_for_a_new_token() -> None:
    layer = RoomyLayer(room=3)
    keys, _ = layer.update(*states(ROWS, 5))
    for _ in range(3):
        grown, _ = layer.update(*states(ROWS, 1))
        assert grown.data_ptr() == keys.data_ptr()
    assert layer.get_seq_length() == 8


@pytest.mark.parametrize("room", [2, 9])
def test_the_room_is_no_part_of_what_is_attended_to(room: int) -> None:
    """In bfloat16 all of a cache is multiplied by; memory that nobody filled may hold NaN."""
    torch.manual_seed(0)
    keys, values = (states.bfloat16() for states in states(ROWS, 5))
    query = torch.randn(ROWS, HEADS, 1, WIDTH).bfloat16()
    torch.use_deterministic_algorithms(True)  # fills new memory with NaN
    try:
        held = RoomyLayer(room).begin(keys, values)
    finally:
        torch.use_deterministic_algorithms(False)
    assert not held.values.whole[:, :, 5:].any()  # type: ignore[attr-defined]
    assert torch.equal(attention(query, held.keys, held.values), attention(query, keys, values))


def test_layers_that_forget_keep_transformers_cache() -> None:
    sizes: dict[str, Any] = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3}
    cache = empty_roomy_cache(LlamaConfig(**sizes), room=4)
    assert cache is not None and [type(layer) for layer in cache.layers] == [RoomyLayer] * 3
    assert empty_roomy_cache(MistralConfig(**sizes, sliding_window=16), room=4) is None


@pytest.mark.parametrize("family", ["llava-mlp", "instructblip-llama", "blip2-opt"])
def test_greedy_answers_are_the_same_with_room(
    family: str, tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = load_pair(tiny_checkpoints[family])
    arguments: dict[str, Any] = {"raw": True, "num_beams": 1, "do_sample": False, "max_new_tokens": 6}
    made: list[object] = []

    def noted(*given: Any) -> Any:
        made.append(empty_roomy_cache(*given))
        return made[-1]

    monkeypatch.setattr(generation, "empty_roomy_cache", noted)
    found = pair.predictor.generate(pair.pictures, pair.prompts, **arguments)
    assert made and made[0] is not None
    monkeypatch.setattr(generation, "empty_roomy_cache", lambda *given: None)
    assert found == pair.predictor.generate(pair.pictures, pair.prompts, **arguments)


@pytest.mark.parametrize(("name", "value"), [("cache_implementation", "dynamic"), ("prefill_chunk_size", 5)])
def test_a_folder_may_say_how_prompts_are_kept(tiny_checkpoints: dict[str, Path], name: str, value: object) -> None:
    """transformers refuses a cache that is named beside one that is given, and cannot read embeddings in chunks."""
    pair = load_pair(tiny_checkpoints["llava-mlp"])
    arguments: dict[str, Any] = {"raw": True, "max_new_tokens": 4}
    expected = pair.predictor.generate(pair.pictures, pair.prompts, **arguments)
    config = pair.predictor.model.generation_config
    assert config is not None
    setattr(config, name, value)
    try:
        assert pair.predictor.generate(pair.pictures, pair.prompts, **arguments) == expected
    finally:
        setattr(config, name, None)
