"""How images meet text, and what a wrong number of placeholders is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tests.families import Pair, load_pair
from transformers import AutoModelForCausalLM, CLIPVisionConfig, Qwen2Config, SiglipVisionConfig

from vistune.data.features.encode import feature_function
from vistune.errors import InputError
from vistune.model.config import ConnectorConfig, ModelConfig, QFormerConfig, VisionConfig
from vistune.model.losses import shift_labels
from vistune.model.vision import VisionEncoder
from vistune.model.vlm import VisionLanguageModel


@pytest.fixture
def llava(tiny_checkpoints: dict[str, Path]) -> Pair:
    return load_pair(tiny_checkpoints["llava-mlp"])


@pytest.fixture
def instructblip(tiny_checkpoints: dict[str, Path]) -> Pair:
    return load_pair(tiny_checkpoints["instructblip-llama"])


def test_a_count_that_fits_no_image_names_sample_expected_and_got(llava: Pair) -> None:
    batch = llava.predictor.processor.encode(llava.pictures[:2], llava.prompts[:2], raw=True)
    inputs = batch.embedding_inputs()
    inputs["input_ids"] = inputs["input_ids"].clone()
    first = (inputs["input_ids"][1] == llava.predictor.model.config.image_token_id).nonzero()[0]
    inputs["input_ids"][1, first] = 5
    with pytest.raises(InputError, match=r"Sample row 1 has 15 image placeholders.*expected a multiple of 16"):
        llava.predictor.model.embed_inputs(**inputs)


def test_more_placeholders_than_images_and_the_other_way_round(llava: Pair) -> None:
    processor = llava.predictor.processor
    batch = processor.encode([list(llava.pictures[:2])], ["<image> and <image>"], raw=True)
    inputs = batch.embedding_inputs()
    with pytest.raises(InputError, match=r"1 images of 16 embeddings, expected 16 .* got 32 \(row 0: 32\)"):
        llava.predictor.model.embed_inputs(**{**inputs, "pixel_values": inputs["pixel_values"][:1]})
    with pytest.raises(InputError, match="The prompt has 1 <image> for 2 images"):
        processor.encode([list(llava.pictures[:2])], ["only one <image>"], raw=True)


def test_several_images_stand_where_their_marks_are(llava: Pair) -> None:
    model, processor = llava.predictor.model, llava.predictor.processor
    batch = processor.encode([list(llava.pictures[:2])], ["<image> beside <image>"], raw=True)
    embeds = model.embed_inputs(**batch.embedding_inputs())
    places = batch.input_ids[0] == model.config.image_token_id
    expected = model.connect(model.encode_images(batch.pixel_values)).flatten(0, 1)
    assert torch.equal(embeds[0, places], expected)
    assert places.nonzero()[16] - places.nonzero()[15] > 1


def test_queries_stand_before_bos(instructblip: Pair) -> None:
    processor = instructblip.predictor.processor
    ids = processor.encode(instructblip.pictures[:1], ["what is this?"]).input_ids[0].tolist()
    assert ids[:4] == [processor.image_token_id] * 4
    assert ids[4] == processor.tokenizer.bos_token_id == processor.tokenizer.eos_token_id


def test_cached_features_give_the_same_loss(instructblip: Pair) -> None:
    model, processor = instructblip.predictor.model, instructblip.predictor.processor
    batch = processor.encode(instructblip.pictures, instructblip.prompts, ["yes", "no", "a cat"])
    features = model.encode_images(batch.pixel_values)
    inputs = {**batch.model_inputs(), "pixel_values": None, "image_features": features}
    assert torch.equal(model(**inputs).loss, model(**batch.model_inputs()).loss)


def test_features_from_before_the_last_norm_go_through_it(instructblip: Pair, llava: Pair) -> None:
    """The same loss, and the norm learns as it does with pictures."""
    model, processor = instructblip.predictor.model, instructblip.predictor.processor
    batch = processor.encode(instructblip.pictures, instructblip.prompts, ["yes", "no", "a cat"])
    inputs = {**batch.model_inputs(), "pixel_values": None, "before_norm": True}
    inputs["image_features"] = feature_function(model, before_norm=True)(batch.pixel_values).clone()
    norm = model.vision.final_norm
    assert norm is not None
    expected, found = model(**batch.model_inputs()).loss, model(**inputs).loss
    torch.testing.assert_close(found, expected)
    wanted = torch.autograd.grad(expected, norm.parameters())
    for one, other in zip(torch.autograd.grad(found, norm.parameters()), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match="come from no final norm"):
        llava.predictor.model.vision.finish(torch.randn(1, 16, 32))


def test_losses_of_tokens_stand_in_reading_order(instructblip: Pair) -> None:
    model, processor = instructblip.predictor.model, instructblip.predictor.processor
    targets = ["yes", "a red circle and a square", "no"]
    batch = processor.encode(instructblip.pictures, instructblip.prompts, targets)
    each = model(**batch.model_inputs()).token_losses
    logits = model(**batch.model_inputs(), return_logits=True).logits
    shifted = shift_labels(batch.labels)
    learned = shifted != -100
    torch.testing.assert_close(each, F.cross_entropy(logits[learned], shifted[learned], reduction="none"))
    assert not each.requires_grad


def test_loss_is_a_sum_over_learned_tokens(instructblip: Pair) -> None:
    model, processor = instructblip.predictor.model, instructblip.predictor.processor
    targets = ["yes", "a red circle and a square", "no"]
    together = model(**processor.encode(instructblip.pictures, instructblip.prompts, targets).model_inputs())
    parts = [
        model(**processor.encode([image], [prompt], [target]).model_inputs())
        for image, prompt, target in zip(instructblip.pictures, instructblip.prompts, targets, strict=True)
    ]
    torch.testing.assert_close(together.loss_sum, sum(part.loss_sum for part in parts))
    assert together.num_tokens == sum(part.num_tokens for part in parts)
    with pytest.raises(ValueError, match="called without labels"):
        _ = model(batch := processor.encode([None], ["hi"]).input_ids, torch.ones_like(batch)).loss


VISION = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 16,
    "patch_size": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "tokens", "width"),
    [
        (VisionConfig(CLIPVisionConfig(**VISION), feature_layer=-2, keep_cls=False), 4, 16),
        (VisionConfig(CLIPVisionConfig(**VISION), feature_layer=-2, keep_cls=True), 5, 16),
        (VisionConfig(CLIPVisionConfig(**VISION), feature_layer=(-3, -1), keep_cls=False), 4, 32),
        (VisionConfig(SiglipVisionConfig(**VISION), keep_cls=False), 4, 16),
    ],
)
def test_feature_choice(config: VisionConfig, tokens: int, width: int) -> None:
    encoder = VisionEncoder(config).eval()
    features = encoder(torch.randn(2, 3, 16, 16))
    assert features.shape == (2, tokens, width)
    assert (config.num_features, config.feature_size) == (tokens, width)
    with pytest.raises(ValueError, match=r"expected \[N, 3, 16, 16\]"):
        encoder(torch.randn(2, 3, 8, 8))


def test_a_new_combination_costs_a_config_line() -> None:
    """SigLIP, Q-Former and Qwen2: no released model, no class of its own."""
    qformer = QFormerConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20,
        encoder_hidden_size=16, num_query_tokens=2,
    )  # fmt: skip
    language = Qwen2Config(
        vocab_size=50, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1,
    )  # fmt: skip
    config = ModelConfig(
        VisionConfig(SiglipVisionConfig(**VISION), keep_cls=False),
        ConnectorConfig("qformer", qformer),
        language,
        image_token_id=49,
        image_first=True,
    )
    model = VisionLanguageModel(config)
    ids = torch.tensor([[49, 49, 1, 7, 8]])
    output = model(
        ids,
        torch.ones_like(ids),
        labels=torch.tensor([[-100, -100, -100, 7, 8]]),
        pixel_values=torch.randn(1, 3, 16, 16),
        instruction_ids=torch.tensor([[3, 4]]),
        instruction_mask=torch.ones(1, 2),
    )
    output.loss.backward()
    assert model.connector.query_tokens.grad.abs().sum() > 0
    assert isinstance(model.language.model, AutoModelForCausalLM._model_mapping[Qwen2Config])


def test_configs_that_contradict_themselves() -> None:
    with pytest.raises(ValueError, match="Unknown connector type 'perceiver'"):
        ConnectorConfig("perceiver")
    with pytest.raises(ValueError, match="do not fit together"):
        ConnectorConfig("linear", QFormerConfig())
