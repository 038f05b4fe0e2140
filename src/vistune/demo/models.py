"""The two models the demo tunes, put together from the frozen starting points that come with vistune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vistune.data.processor import Processor
from vistune.model.config import ConnectorConfig, ModelConfig, QFormerConfig, VisionConfig
from vistune.model.connectors import QFormerConnector
from vistune.model.vlm import VisionLanguageModel
from vistune.train.run.model.world import CHAT_TEMPLATE
from vistune.world.assets import asset_dir
from vistune.world.tokenizer import IMAGE_TOKEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

NUM_QUERIES = 8


def build_instructblip(seed: int) -> tuple[VisionLanguageModel, Processor]:
    """InstructBLIP before BLIP-2's stage 2: frozen encoder and language model, a fresh instruction-aware Q-Former.

    The Q-Former's text embeddings start as the language model's (BLIP-2 starts them from BERT's).
    """
    from transformers import InstructBlipVisionConfig, LlamaConfig

    tokenizer = load_tokenizer()
    language = LlamaConfig.from_pretrained(asset_dir("language"))
    vision = InstructBlipVisionConfig.from_pretrained(asset_dir("eva"))
    qformer = QFormerConfig(
        vocab_size=language.vocab_size,
        hidden_size=language.hidden_size,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=2 * language.hidden_size,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        max_position_embeddings=128,
        cross_attention_frequency=1,
        encoder_hidden_size=vision.hidden_size,
        num_query_tokens=NUM_QUERIES,
        pad_token_id=int(tokenizer.pad_token_id),
    )
    config = ModelConfig(
        vision=VisionConfig(vision),
        connector=ConnectorConfig("qformer", qformer),
        language=language,
        image_token_id=_image_token_id(tokenizer),
        image_first=True,
    )
    model = _assembled(config, "eva", seed)
    _start_connector(model)
    processor = Processor(
        tokenizer,
        load_image_processor("eva"),
        image_token_id=config.image_token_id,
        num_image_tokens=config.num_image_tokens,
        image_first=True,
        qformer_tokenizer=load_tokenizer(),
        max_instruction_tokens=qformer.max_position_embeddings,
    )
    return model, processor


def build_llava(seed: int) -> tuple[VisionLanguageModel, Processor]:
    """LLaVA before its stage 1: CLIP's patches of the layer before the last, one fresh Linear, the language model."""
    from transformers import CLIPVisionConfig, LlamaConfig

    tokenizer = load_tokenizer()
    config = ModelConfig(
        vision=VisionConfig(CLIPVisionConfig.from_pretrained(asset_dir("clip")), feature_layer=-2, keep_cls=False),
        connector=ConnectorConfig("linear"),
        language=LlamaConfig.from_pretrained(asset_dir("language")),
        image_token_id=_image_token_id(tokenizer),
        image_first=False,
    )
    model = _assembled(config, "clip", seed)
    processor = Processor(
        tokenizer,
        load_image_processor("clip"),
        image_token_id=config.image_token_id,
        num_image_tokens=config.num_image_tokens,
        image_first=False,
        chat_template=CHAT_TEMPLATE,
    )
    return model, processor


def load_tokenizer() -> PreTrainedTokenizerFast:
    """The language model's tokenizer, which serves the Q-Former too."""
    from transformers import PreTrainedTokenizerFast

    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(asset_dir("language"))
    return tokenizer


def load_image_processor(encoder: str) -> Any:
    """The image processor of a packaged encoder, on transformers' PIL backend."""
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(asset_dir(encoder), backend="pil")


def _image_token_id(tokenizer: PreTrainedTokenizerFast) -> int:
    return int(tokenizer.vocab[IMAGE_TOKEN])


def _assembled(config: ModelConfig, encoder: str, seed: int) -> VisionLanguageModel:
    """The model with the packaged encoder and language model; what is fresh depends on the seed alone."""
    torch.manual_seed(seed)
    model = VisionLanguageModel(config)
    _load(model.vision.backbone, asset_dir(encoder))
    _load(model.language.model, asset_dir("language"))
    return model.eval()


def _load(module: nn.Module, folder: Path) -> None:
    """Weights of an asset, float16 on disk, into float32 parameters."""
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    missing, unexpected = module.load_state_dict(weights, strict=False)
    tied = {name for name in missing if name.endswith("lm_head.weight")}
    if unexpected or set(missing) - tied:
        raise ValueError(f"{folder} does not fit its config: missing {missing}, unexpected {unexpected}.")


def _start_connector(model: VisionLanguageModel) -> None:
    """Text embeddings from the language model, and outputs as large as its embeddings from the first step on."""
    connector = model.connector
    if not isinstance(connector, QFormerConnector):
        raise ValueError(f"Expected a Q-Former connector, got {type(connector).__name__}.")
    embeddings = model.language.model.get_input_embeddings().weight
    with torch.no_grad():
        connector.qformer.embeddings.word_embeddings.weight.copy_(embeddings)
        std = float(embeddings.std()) / connector.projection.in_features**0.5
        nn.init.normal_(connector.projection.weight, std=std)
        nn.init.zeros_(connector.projection.bias)
