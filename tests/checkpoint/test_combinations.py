"""Any three parts: transformers' layout where it has the combination, our own model type where it has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.checkpoint.reference import load_theirs, our_logits, real, their_inputs, their_logits
from transformers import (
    AutoConfig,
    AutoTokenizer,
    Blip2VisionConfig,
    CLIPVisionConfig,
    LlamaConfig,
    OPTConfig,
    SiglipVisionConfig,
    T5Config,
)

from vistune.checkpoint import load_model, read_config, save_model
from vistune.data.processor import Processor
from vistune.errors import InputError
from vistune.model.config import ConnectorConfig, ModelConfig, QFormerConfig, VisionConfig
from vistune.model.vlm import VisionLanguageModel

SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
IMAGE: dict[str, Any] = {**SIZES, "image_size": 32, "patch_size": 8}
VISION: dict[str, VisionConfig] = {
    "eva": VisionConfig(Blip2VisionConfig(**IMAGE)),
    "clip-last": VisionConfig(CLIPVisionConfig(**IMAGE)),
    "clip": VisionConfig(CLIPVisionConfig(**IMAGE), feature_layer=-2, keep_cls=False),
    "clip-several": VisionConfig(CLIPVisionConfig(**IMAGE), feature_layer=(-3, -2)),
    "siglip": VisionConfig(SiglipVisionConfig(**IMAGE), feature_layer=-2),
    "siglip-last": VisionConfig(SiglipVisionConfig(**IMAGE)),
}
GPT2: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4}
DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", SIZES),
    "qwen2-tied": ("qwen2", {**SIZES, "num_key_value_heads": 2, "tie_word_embeddings": True}),
    # Its soft-capped logits are more than one matrix product (soft-capped attention is another matter).
    "gemma2": ("gemma2", {**SIZES, "num_key_value_heads": 2, "head_dim": 8, "attn_logit_softcapping": None}),
    "gpt2": ("gpt2", GPT2),
    "phi": ("phi", SIZES),  # its output layer has a bias
}


def language(name: str, rows: int) -> Any:
    ids = {"vocab_size": rows, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": rows - 1}
    if name == "t5":
        return T5Config(d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0, **ids)
    if name == "opt-narrow":  # OPT-350m embeds in fewer numbers than its layers have
        return OPTConfig(
            hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=16, **ids
        )
    kind, sizes = DECODERS[name]
    return AutoConfig.for_model(kind, **sizes, **ids)


def connector(name: str, width: int) -> ConnectorConfig:
    if name in ("linear", "mlp"):
        return ConnectorConfig(name)  # type: ignore[arg-type]
    aware = name == "qformer"
    qformer = QFormerConfig(
        **{**SIZES, "num_hidden_layers": 2},
        vocab_size=200,
        max_position_embeddings=32,
        encoder_hidden_size=width,
        num_query_tokens=4,
        instruction_aware=aware,
        text_input=aware,
    )
    return ConnectorConfig("qformer", qformer)


def build(base: Path, parts: tuple[str, str, str], image_first: bool) -> tuple[VisionLanguageModel, Processor]:
    """A random model of three parts, with the tokenizers and image processor of a tiny folder."""
    _, processor = load_model(base)
    vision = VISION[parts[0]]
    config = ModelConfig(
        vision,
        connector(parts[1], vision.feature_size),
        language(parts[2], len(processor.tokenizer)),
        processor.image_token_id,
        image_first,
    )
    torch.manual_seed(0)
    model = VisionLanguageModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    new = Processor(
        processor.tokenizer,
        processor.image_processor,
        image_token_id=processor.image_token_id,
        num_image_tokens=config.num_image_tokens,
        image_first=image_first,
        encoder_decoder=parts[2] == "t5",
        qformer_tokenizer=processor.qformer_tokenizer,
    )
    return model, new


def inputs_for(model: VisionLanguageModel) -> dict[str, Any]:
    torch.manual_seed(1)
    images = [model.config.image_token_id] * model.num_image_tokens
    ids = torch.tensor([[*images, 5, 6, 7, 8], [*images, 9, 10, 11, 12]])
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(2, 3, 32, 32),
        "qformer_input_ids": torch.tensor([[2, 9, 3], [2, 7, 3]]),
        "qformer_attention_mask": torch.ones(2, 3, dtype=torch.long),
    }


def round_trip(model: VisionLanguageModel, processor: Processor, folder: Path) -> VisionLanguageModel:
    save_model(model, processor, folder)
    again, its_processor = load_model(folder)
    ours, theirs = model.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again.config.connector == model.config.connector
    for name in ("feature_layer", "keep_cls", "norm_eps"):
        assert getattr(again.config.vision, name) == getattr(model.config.vision, name)
    inputs = inputs_for(model)
    assert torch.equal(our_logits(model, inputs), our_logits(again, inputs))
    for name in (
        "image_token_id",
        "num_image_tokens",
        "image_first",
        "encoder_decoder",
        "image_token",
        "chat_template",
    ):
        assert getattr(its_processor, name) == getattr(processor, name)
    return again


@pytest.mark.parametrize(
    ("base", "parts", "image_first"),
    [
        ("instructblip-llama", ("siglip-last", "qformer", "llama"), True),
        ("instructblip-llama", ("clip-last", "qformer", "t5"), True),
        ("instructblip-llama", ("clip", "qformer", "qwen2-tied"), False),
        ("instructblip-llama", ("eva", "qformer", "opt-narrow"), True),
        ("llava-mlp", ("siglip-last", "blind", "gpt2"), True),
        ("llava-mlp", ("siglip-last", "mlp", "llama"), False),
        ("llava-mlp", ("eva", "linear", "llama"), False),
        ("llava-mlp", ("clip", "mlp", "t5"), False),
        ("llava-mlp", ("clip", "linear", "gemma2"), False),
        ("llava-mlp", ("clip", "mlp", "phi"), False),
        ("llava-mlp", ("clip", "mlp", "opt-narrow"), False),
        ("llava-mlp", ("siglip", "linear", "gpt2"), False),
    ],
)
def test_ours(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, base: str, parts: tuple[str, str, str], image_first: bool
) -> None:
    model, processor = build(tiny_checkpoints[base], parts, image_first)
    round_trip(model, processor, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "config.json").read_text())["model_type"] == "vistune"
    assert read_config(tmp_path / "new").image_first == image_first
    # The tokenizer is still one that transformers finds.
    assert len(AutoTokenizer.from_pretrained(tmp_path / "new")) == len(processor.tokenizer)


@pytest.mark.parametrize(
    ("base", "parts", "family"),
    [
        ("instructblip-llama", ("eva", "qformer", "qwen2-tied"), "instructblip"),
        ("instructblip-llama", ("eva", "qformer", "gpt2"), "instructblip"),
        ("llava-mlp", ("eva", "blind", "llama"), "blip-2"),
        ("llava-mlp", ("clip", "linear", "qwen2-tied"), "llava"),
        ("llava-mlp", ("clip-several", "linear", "llama"), "llava"),
        ("llava-mlp", ("siglip", "mlp", "llama"), "llava"),
    ],
)
def test_theirs(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, base: str, parts: tuple[str, str, str], family: str
) -> None:
    """Measured worst difference: 0.0."""
    model, processor = build(tiny_checkpoints[base], parts, image_first=family != "llava")
    round_trip(model, processor, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "config.json").read_text())["model_type"] == family
    inputs = (
        inputs_for(model)
        if family == "instructblip"
        else {key: value for key, value in inputs_for(model).items() if "qformer" not in key}
    )
    theirs = their_logits(load_theirs(tmp_path / "new"), inputs)
    ours = our_logits(model, inputs_for(model))
    assert (real(theirs, inputs) - real(ours, inputs)).abs().max() <= 1e-5
    assert their_inputs(tmp_path / "new")["pixel_values"].shape == (2, 3, 32, 32)


def test_blip2_vision_under_instructblips_name(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, processor = build(tiny_checkpoints["instructblip-llama"], ("eva", "qformer", "llama"), True)
    save_model(model, processor, tmp_path / "new")
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["vision_config"]["model_type"] == "instructblip_vision_model"
    assert "vistune" not in json.dumps(config)


def test_resized_embeddings(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    for name, parts in (("llava-mlp", ("clip", "mlp", "llama")), ("llava-mlp", ("clip", "mlp", "t5"))):
        model, processor = build(tiny_checkpoints[name], parts, image_first=False)
        model.language.model.resize_token_embeddings(600, mean_resizing=False)
        again = round_trip(model, processor, tmp_path / parts[2])
        assert again.language.model.get_input_embeddings().weight.shape[0] == 600


def test_processor_must_fit(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, _ = load_model(tiny_checkpoints["instructblip-llama"])
    _, processor = load_model(tiny_checkpoints["blip2-opt"])
    with pytest.raises(InputError, match="qformer_tokenizer"):
        save_model(model, processor, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_model_without_weights(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from vistune.checkpoint.assemble import build_empty

    model, processor = load_model(tiny_checkpoints["llava-mlp"])
    with pytest.raises(InputError, match="no weights yet"):
        save_model(build_empty(model.config), processor, tmp_path / "new")


def test_llama_config_is_not_changed_by_saving(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, processor = load_model(tiny_checkpoints["llava-mlp"])
    before = LlamaConfig.to_dict(model.config.language)
    save_model(model, processor, tmp_path / "new")
    assert LlamaConfig.to_dict(model.config.language) == before
