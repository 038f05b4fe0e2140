"""Both ways of attention are the same function, alone and inside transformers' models."""

from __future__ import annotations

import pytest
import torch
from transformers import Gemma2Config, LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from vistune.model import attention as module
from vistune.model.attention import (
    attention,
    causal_attention,
    matmul_attention,
    register_attention,
    transformers_attention,
    with_room,
)
from vistune.model.language import LanguageModel


@pytest.mark.parametrize("mask_kind", ["none", "bool", "float"])
def test_two_products_equal_scaled_dot_product_attention(mask_kind: str) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 7, 8), torch.randn(2, 3, 7, 8)
    mask = None
    if mask_kind != "none":
        mask = torch.rand(2, 1, 5, 7) > 0.3
        mask[..., 0] = True
        mask = mask if mask_kind == "bool" else torch.where(mask, 0.0, -1e9)
    for scale in (None, 0.5):
        expected = attention(query, key, value, mask, scale=scale)
        torch.testing.assert_close(matmul_attention(query, key, value, mask, scale=scale), expected)


def test_a_row_that_may_attend_nowhere_is_finite() -> None:
    query = torch.randn(1, 1, 2, 4)
    mask = torch.tensor([[True, False], [False, False]])
    assert matmul_attention(query, query, query, mask).isfinite().all()


@pytest.mark.parametrize(("earlier", "length"), [(0, 7), (3, 7), (4, 1), (0, 3)])
def test_causal_pieces_see_what_the_mask_lets_them_see(
    earlier: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and gradients, with queries in pieces of three and keys from before the first query."""
    monkeypatch.setattr(module, "_PIECE", 3)
    torch.manual_seed(0)
    shapes = [(2, 3, length, 8), (2, 3, earlier + length, 8), (2, 3, earlier + length, 8)]
    parts = [torch.randn(shape, requires_grad=True) for shape in shapes]
    mask = torch.ones(length, earlier + length, dtype=torch.bool).tril(earlier)
    results = []
    for output in (causal_attention(*parts, scale=0.4), matmul_attention(*parts, mask, scale=0.4)):
        gradients = torch.autograd.grad((output * torch.arange(8)).sum(), parts)
        results.append([output, *gradients])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_one_query_over_a_cache_with_room() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 3, 1, 8), torch.randn(2, 3, 9, 8)[:, :, :7], torch.randn(2, 3, 7, 8)
    expected = matmul_attention(query, key.contiguous(), value)
    torch.testing.assert_close(matmul_attention(query, key, value), expected)


@pytest.mark.parametrize("room", [0, 2, 30])
def test_one_query_over_the_whole_of_a_cache(room: int) -> None:
    """What the tokens to come will fill is read but not seen, whatever keys stand there; much of it is left alone."""
    torch.manual_seed(0)
    query = torch.randn(2, 3, 1, 8)
    key, value = torch.randn(2, 3, 7 + room, 8), torch.randn(2, 3, 7 + room, 8)
    key[:, :, 7:], value[:, :, 7:] = 9.0, 0.0
    mask = torch.rand(2, 1, 1, 7) > 0.3
    mask[..., 0] = True
    expected = matmul_attention(query, key[:, :, :7].contiguous(), value[:, :, :7].contiguous(), mask)
    keys, values = with_room(key[:, :, :7], key), with_room(value[:, :, :7], value)
    torch.testing.assert_close(matmul_attention(query, keys, values, mask), expected)
    # Products of everything are in order only where it is all in one piece.
    assert (module._whole(keys) is key) == (room <= 14)


def test_no_queries_have_no_results() -> None:
    states = torch.randn(2, 3, 4, 5)
    assert matmul_attention(states[:, :, :0], states, states).shape == (2, 3, 0, 5)


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1, 5, 5), (3, 1, 1, 5), (3, 2, 5, 5), (5, 5)])
def test_rows_in_turns_are_the_rows_together(
    shape: tuple[int, ...], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 5, 2, 4).transpose(1, 2) for _ in range(3))
    mask = torch.rand(shape) > 0.3
    mask[..., 0] = True
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    monkeypatch.setattr(module, "_SCORES", rows * 50)
    calls = []
    whole = module._attend
    monkeypatch.setattr(module, "_attend", lambda *a: calls.append(len(a[0])) or whole(*a))
    with torch.no_grad():
        torch.testing.assert_close(matmul_attention(query, key, value, mask), expected)
    assert calls == ([1, 1, 1] if rows == 1 else [2, 1])
    calls.clear()
    matmul_attention(query, key, value, mask)
    assert calls == [3]  # with gradients that would take longer


def test_bfloat16_on_the_cpu_takes_the_two_products(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(module, "matmul_attention", lambda *a: taken.append(a[0].dtype) or a[2])
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        states = torch.randn(1, 1, 2, 4, dtype=dtype)
        attention(states, states, states)
    assert taken == [torch.bfloat16]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_keys_of_a_prompt_serve_all_its_beams(dtype: torch.dtype, masked: bool) -> None:
    torch.manual_seed(0)
    beams = 3
    query, key, value = (torch.randn(rows, 4, length, 8, dtype=dtype) for rows, length in ((6, 1), (2, 5), (2, 5)))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]).bool()[:, None, None].repeat_interleave(beams, 0)
    arguments = {"attention_mask": mask if masked else None, "position_bias": torch.randn(1, 4, 1, 5, dtype=dtype)}
    block = torch.nn.Module()
    found, _ = transformers_attention(block, query, key, value, **arguments)
    repeated = (states.repeat_interleave(beams, 0) for states in (key, value))
    expected, _ = transformers_attention(block, query, *repeated, **arguments)
    torch.testing.assert_close(found, expected)


def llama() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def t5() -> T5ForConditionalGeneration:
    config = T5Config(vocab_size=50, d_model=32, d_kv=8, d_ff=40, num_layers=2, num_heads=4, decoder_start_token_id=0)
    return T5ForConditionalGeneration(config)


@pytest.mark.parametrize("build", [llama, t5])
@pytest.mark.parametrize("padded", [False, True])
def test_inside_transformers_models_in_bfloat16(build: type, padded: bool) -> None:
    torch.manual_seed(0)
    model = build().eval()
    ids = torch.randint(1, 50, (2, 6))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if padded:
        inputs["attention_mask"][1, :2] = 0
    if build is t5:
        inputs["decoder_input_ids"] = ids[:, :4]
    valid = slice(None) if build is t5 else inputs["attention_mask"].bool()
    logits = {}
    for name in ("eager", register_attention()):
        model.set_attn_implementation(name)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            logits[name] = model(**inputs, use_cache=False).logits[valid].float()
    # bfloat16 has 8 bits: .03 on logits of size 1 (Llama) to 30 (T5); worst seen .004 relative to the largest.
    error = (logits["eager"] - logits["vistune"]).abs().max() / logits["eager"].abs().max()
    assert error < 0.02


def test_soft_capped_scores_keep_the_attention_that_transformers_chose() -> None:
    config = Gemma2Config(
        vocab_size=50, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8,
    )  # fmt: skip
    assert LanguageModel(config).model.config._attn_implementation == "eager"
    assert LanguageModel(llama().config).model.config._attn_implementation == "vistune"


def test_registering_twice_is_harmless() -> None:
    assert register_attention() == register_attention()
