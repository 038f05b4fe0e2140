"""Losses computed chunk by chunk, where something is learned, are those of all logits: for every kind of head."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    BartConfig,
    CohereConfig,
    Gemma2Config,
    GraniteConfig,
    LlamaConfig,
    OPTConfig,
    T5Config,
)

from vistune.model import chunked_loss
from vistune.model.language import LanguageModel
from vistune.model.language_head import LanguageHead
from vistune.model.losses import IGNORE, shift_labels, token_loss_sum

SMALL = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**SMALL, "intermediate_size": 40, "num_key_value_heads": 2, "head_dim": 8}
T5 = {"vocab_size": 60, "d_model": 32, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 4}
BART = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
START = {"decoder_start_token_id": 0, "pad_token_id": 0}
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**WIDE),
    "llama, tied": LlamaConfig(**WIDE, tie_word_embeddings=True),
    "gemma2, soft-capped": Gemma2Config(**WIDE, final_logit_softcapping=3.0),
    "cohere, scaled": CohereConfig(**WIDE, logit_scale=0.3),
    "granite, divided": GraniteConfig(**WIDE, logits_scaling=7.0),
    "opt-350m, narrow": OPTConfig(**SMALL, ffn_dim=40, word_embed_proj_dim=16, max_position_embeddings=64),
    "t5, tied and scaled": T5Config(**T5, **START),
    "flan-t5": T5Config(**T5, **START, tie_word_embeddings=False, feed_forward_proj="gated-gelu"),
    "bart, bias": BartConfig(**BART, **START, vocab_size=60, d_model=32, encoder_ffn_dim=40, decoder_ffn_dim=40),
}
SPECIAL = ["gemma2, soft-capped", "cohere, scaled", "granite, divided", "t5, tied and scaled", "bart, bias"]


def language(kind: str) -> LanguageModel:
    torch.manual_seed(0)
    model = LanguageModel(CONFIGS[kind]).double().eval()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith(("weight", "final_logits_bias")):
            # Large weights, so that soft-capping, factors and bias change the loss.
            torch.nn.init.normal_(tensor.detach(), std=0.3)
    return model


def problem(model: LanguageModel) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs [3, 11, d] of which some are padding, their mask, and labels."""
    torch.manual_seed(1)
    width = model.model.get_input_embeddings().weight.shape[1]
    mask = torch.arange(11)[None] < torch.tensor([11, 8, 5])[:, None]
    labels = torch.randint(1, 60, (3, 11)).masked_fill(~mask, IGNORE)
    labels[:, :2] = labels[:, :2] if model.is_encoder_decoder else IGNORE
    return torch.randn(3, 11, width, dtype=torch.float64, requires_grad=True), mask.long(), labels


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("kind", CONFIGS)
def test_losses_and_gradients_are_those_of_all_logits(kind: str, frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_loss, "CHUNK_NUMBERS", 60 * 4)  # several chunks of four tokens
    model = language(kind)
    embeds, mask, labels = problem(model)
    apart = model.is_encoder_decoder
    targets = labels if apart else shift_labels(labels)
    model.requires_grad_(not frozen)
    # Their own forward, as the model has it.
    expected = token_loss_sum(model.logits(embeds, mask, labels if apart else None), targets)
    total, each = model.losses(embeds, mask, targets)
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=0.0)
    assert each.shape == (int((targets != IGNORE).sum()),)
    torch.testing.assert_close(each.sum(), expected.float().detach(), rtol=1e-5, atol=0.0)
    wanted = [embeds] if frozen else [embeds, *model.parameters()]
    truth = torch.autograd.grad(expected, wanted, allow_unused=True)
    for one, other in zip(torch.autograd.grad(total, wanted, allow_unused=True), truth, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_plain_linear_would_be_wrong_here(kind: str) -> None:
    model = language(kind)
    hidden = torch.randn(5, 32, dtype=torch.float64)
    plain = model.model.get_output_embeddings()(hidden)
    assert not torch.allclose(LanguageHead(model.model, model.is_encoder_decoder)(hidden), plain, atol=1e-3)


@pytest.mark.parametrize("kind", ["llama", "flan-t5"])
def test_nothing_learned_is_a_loss_of_zero_that_has_gradients(kind: str) -> None:
    """What a process without samples needs to take part in a step of FSDP."""
    model = language(kind)
    embeds, mask, labels = problem(model)
    total, each = model.losses(embeds, mask, torch.full_like(labels, IGNORE))
    assert float(total.detach()) == 0 and each.shape == (0,)
    found = torch.autograd.grad(total, [embeds, model.model.get_output_embeddings().weight])
    assert all(not grad.any() for grad in found)


def test_the_head_leaves_the_model_as_it_is() -> None:
    model = language("gemma2, soft-capped")
    before = {name: id(module) for name, module in model.named_modules()}
    LanguageHead(model.model, False)(torch.randn(2, 32, dtype=torch.float64))
    assert {name: id(module) for name, module in model.named_modules()} == before


MEASURE = """
import resource, torch
from transformers import LlamaConfig, T5Config
from vistune.model.language import LanguageModel
small = {"vocab_size": 32000, "num_hidden_layers": 1, "intermediate_size": 32, "num_attention_heads": 2}
configs = [LlamaConfig(**small, hidden_size=32),
           T5Config(vocab_size=32000, d_model=32, d_kv=16, d_ff=32, num_layers=1, num_heads=2,
                    decoder_start_token_id=0, pad_token_id=0)]
for config in configs:
    model = LanguageModel(config).requires_grad_(False).eval()
    peaks = []
    for rows in (4, 16):
        embeds = torch.randn(rows, 256, 32, requires_grad=True)
        mask, targets = torch.ones(rows, 256, dtype=torch.long), torch.randint(1, 32000, (rows, 256))
        model.losses(embeds, mask, targets)[0].backward()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(peaks[1] - peaks[0])
"""


def test_memory_does_not_grow_with_vocabulary_times_length(record_property: Callable[[str, object], None]) -> None:
    """MiB that four times the tokens add to the peak, in a process of its own."""
    result = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    llama, t5 = (float(line) for line in result.stdout.split())
    record_property("llama_mib", llama)
    record_property("t5_mib", t5)
    # The logits of these 3,072 tokens are 375 MiB, and as much again for their gradient.
    assert llama < 60 and t5 < 60
