"""The Q-Former's masks, and its parts beside transformers'."""

from __future__ import annotations

import pytest
import torch
from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel

from vistune.model.config import QFormerConfig
from vistune.model.qformer import QFormer, self_attention_mask

QUERIES, TEXT = 3, 5


def config(**overrides: object) -> QFormerConfig:
    sizes = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 8,
        "encoder_hidden_size": 12,
        "num_query_tokens": QUERIES,
    }
    return QFormerConfig(**{**sizes, **overrides})


@pytest.fixture
def qformer() -> QFormer:
    torch.manual_seed(0)
    model = QFormer(config()).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "queries": torch.randn(2, QUERIES, 16, generator=generator),
        "image": torch.randn(2, 7, 12, generator=generator),
        "input_ids": torch.randint(1, 40, (2, TEXT), generator=generator),
        "text_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
    }


def changed(before: torch.Tensor, after: torch.Tensor) -> list[bool]:
    """For each position, whether anything there changed."""
    return ((before - after).abs().amax(dim=(0, 2)) > 1e-6).tolist()


def test_in_generation_text_never_sees_the_future_and_queries_never_see_text(
    qformer: QFormer, inputs: dict[str, torch.Tensor]
) -> None:
    inputs["text_mask"] = torch.ones(2, TEXT)
    before = qformer(**inputs, mode="causal")
    for position in range(TEXT):
        other = inputs["input_ids"].clone()
        other[:, position] = (other[:, position] + 7) % 39 + 1
        after = qformer(**{**inputs, "input_ids": other}, mode="causal")
        assert changed(before, after) == [False] * (QUERIES + position) + [True] * (TEXT - position)


def test_in_generation_text_sees_all_queries(qformer: QFormer, inputs: dict[str, torch.Tensor]) -> None:
    before = qformer(**inputs, mode="causal")
    queries = inputs["queries"].clone()
    queries[:, -1] = -queries[:, -1]  # not a shift: LayerNorm would take it back
    assert all(changed(before, qformer(**{**inputs, "queries": queries}, mode="causal")))


def test_generation_equals_the_published_two_passes(qformer: QFormer, inputs: dict[str, torch.Tensor]) -> None:
    """LAVIS runs the queries alone and lets the text read their keys and values: queries come out as if alone."""
    together = qformer(**inputs, mode="causal")
    alone = qformer(inputs["queries"], inputs["image"])
    torch.testing.assert_close(together[:, :QUERIES], alone)


def test_in_matching_and_instructions_both_see_each_other(qformer: QFormer, inputs: dict[str, torch.Tensor]) -> None:
    inputs["text_mask"] = torch.ones(2, TEXT)
    before = qformer(**inputs)
    other = inputs["input_ids"].clone()
    other[:, -1] = (other[:, -1] + 7) % 39 + 1
    assert all(changed(before, qformer(**{**inputs, "input_ids": other})))
    queries = inputs["queries"].clone()
    queries[:, 0] = -queries[:, 0]
    assert all(changed(before, qformer(**{**inputs, "queries": queries})))


def test_in_contrast_queries_and_text_are_passes_of_their_own(
    qformer: QFormer, inputs: dict[str, torch.Tensor]
) -> None:
    text = qformer(None, None, inputs["input_ids"], inputs["text_mask"])
    assert text.shape == (2, TEXT, 16)
    assert torch.equal(text, qformer(None, None, inputs["input_ids"], inputs["text_mask"]))
    with pytest.raises(ValueError, match="queries without image features"):
        qformer(inputs["queries"], None)


@pytest.mark.parametrize("mode", ["bidirectional", "causal"])
def test_padding_never_matters(qformer: QFormer, inputs: dict[str, torch.Tensor], mode: str) -> None:
    before = qformer(**inputs, mode=mode)
    other = inputs["input_ids"].clone()
    other[1, 3:] = 0
    after = qformer(**{**inputs, "input_ids": other}, mode=mode)
    real = torch.cat([torch.ones(2, QUERIES), inputs["text_mask"]], dim=1).bool()
    torch.testing.assert_close(before[real], after[real])
    short = {name: tensor[1:, :3] if tensor.shape[1] == TEXT else tensor[1:] for name, tensor in inputs.items()}
    torch.testing.assert_close(before[1:, : QUERIES + 3], qformer(**short, mode=mode))


def test_only_queries_look_at_the_image(qformer: QFormer, inputs: dict[str, torch.Tensor]) -> None:
    first_layer = qformer.encoder.layer[0]
    hidden = torch.randn(2, QUERIES + TEXT, 16)
    outputs = [first_layer(hidden, QUERIES, image, None) for image in (inputs["image"], inputs["image"] + 1)]
    assert changed(*outputs) == [True] * QUERIES + [False] * TEXT


def test_cross_attention_every_so_many_layers() -> None:
    for frequency, expected in ((2, [True, False, True, False]), (1, [True] * 4), (3, [True, False, False, True])):
        layers = QFormer(config(cross_attention_frequency=frequency)).encoder.layer
        assert [layer.crossattention is not None for layer in layers] == expected


def test_equals_transformers(qformer: QFormer, inputs: dict[str, torch.Tensor]) -> None:
    own = qformer.config
    reference = InstructBlipQFormerModel(
        InstructBlipQFormerConfig(
            vocab_size=own.vocab_size,
            hidden_size=own.hidden_size,
            num_hidden_layers=own.num_hidden_layers,
            num_attention_heads=own.num_attention_heads,
            intermediate_size=own.intermediate_size,
            max_position_embeddings=own.max_position_embeddings,
            encoder_hidden_size=own.encoder_hidden_size,
        )
    ).eval()
    reference.load_state_dict(qformer.state_dict(), strict=True)
    mask = torch.cat([torch.ones(2, QUERIES), inputs["text_mask"]], dim=1)
    expected = reference(
        inputs["input_ids"], mask, query_embeds=inputs["queries"], encoder_hidden_states=inputs["image"]
    ).last_hidden_state
    # Worst error seen: 0.
    torch.testing.assert_close(qformer(**inputs)[mask.bool()], expected[mask.bool()], atol=1e-6, rtol=1e-6)


def test_default_size_is_the_published_one() -> None:
    """InstructBLIP: 185.66M parameters in the BERT part (counted from LAVIS' Qformer.py)."""
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in QFormer(QFormerConfig()).parameters())
    assert round(count / 1e6, 2) == 185.66


def test_without_text_there_are_no_text_parameters(inputs: dict[str, torch.Tensor]) -> None:
    model = QFormer(config(text_input=False, instruction_aware=False))
    names = [name for name, _ in model.named_parameters()]
    assert not [name for name in names if "word_embeddings" in name or ".intermediate.dense" in name]
    with pytest.raises(ValueError, match="no text part"):
        model(**inputs)


def test_wrong_use_is_named(qformer: QFormer, inputs: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="got 9 text tokens but has 8 positions"):
        qformer(inputs["queries"], inputs["image"], torch.ones(2, 9, dtype=torch.long))
    with pytest.raises(ValueError, match="Unknown Q-Former mask mode 'both'"):
        self_attention_mask(1, None, "both")
    with pytest.raises(ValueError, match="not a multiple"):
        config(hidden_size=15)
    with pytest.raises(ValueError, match="needs text_input"):
        config(text_input=False)
