"""A model's config as config.json: transformers' where it has that combination, else our own model type."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vistune.checkpoint.config_reader import QFORMER_SHARED
from vistune.checkpoint.layouts import Family
from vistune.checkpoint.vocabulary import vocabulary_with_image
from vistune.model.config import ModelConfig

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from vistune.model.config import QFormerConfig
    from vistune.model.vlm import VisionLanguageModel

_EVA = ("blip_2_vision_model", "instructblip_vision_model")
# Models that do more with the output embeddings than one matrix product, which transformers' LLaVA would not do.
_SPECIAL_HEADS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
# Bookkeeping of a whole model's config that does not belong into a part's.
_BOOKKEEPING = ("architectures", "dtype", "transformers_version", "_name_or_path", "torch_dtype")


def family_of(model: VisionLanguageModel) -> Family:
    """The family of transformers that computes the same as this model, "vistune" if there is none."""
    config = model.config
    if not _plain_width(config):
        return "vistune"
    if config.connector.type == "qformer":
        return _qformer_family(config)
    return "llava" if _is_llava(model) else "vistune"


def _plain_width(config: ModelConfig) -> bool:
    """transformers projects to the hidden size, which is not the embedding width of every OPT."""
    return config.language_size == int(config.language.hidden_size)


def _qformer_family(config: ModelConfig) -> Family:
    vision, qformer = config.vision, config.connector.qformer
    fits = (
        vision.backbone.model_type in _EVA
        and vision.feature_layer is None
        and vision.keep_cls
        and config.image_first
        and config.connector.bias
    )
    if not fits or qformer is None:
        return "vistune"
    return "instructblip" if qformer.instruction_aware else "blip-2"


def _is_llava(model: VisionLanguageModel) -> bool:
    config = model.config
    language = model.language.model
    decoder = f"{language.base_model_prefix}."
    names = {name for name, _ in language.named_parameters(remove_duplicate=False)}
    outside = {name for name in names if not name.startswith(decoder)}
    # transformers' LLaVA looks for a tied matrix under this name only (GPT-2 and OPT have another).
    can_tie = not config.language.tie_word_embeddings or f"{decoder}embed_tokens.weight" in names
    return (
        not config.language.is_encoder_decoder
        and config.vision.feature_layer is not None
        and config.vision.backbone.model_type not in _EVA
        and not config.image_first
        and outside <= {"lm_head.weight"}
        and can_tie
        and all(getattr(config.language, name, None) is None for name in _SPECIAL_HEADS)
    )


def build_config(model: VisionLanguageModel, family: Family, dtype: str) -> dict[str, Any]:
    """The content of config.json. ``dtype``: what transformers should load the weights as."""
    if family == "vistune":
        content = model_config_to_dict(model.config)
        # The embeddings may have been resized after the config was made.
        content["text_config"]["vocab_size"] = int(model.language.model.get_input_embeddings().weight.shape[0])
        return {"model_type": "vistune", "architectures": ["VisionLanguageModel"], "dtype": dtype, **content}
    source = _llava_config(model.config) if family == "llava" else _qformer_config(model.config, family)
    source.text_config.vocab_size = vocabulary_with_image(model)
    source.architectures = [f"{type(source).__name__.removesuffix('Config')}ForConditionalGeneration"]
    source.dtype = dtype
    written: dict[str, Any] = json.loads(source.to_json_string())
    return written


def _qformer_config(config: ModelConfig, family: Family) -> PreTrainedConfig:
    from transformers import Blip2Config, InstructBlipConfig

    qformer = config.connector.qformer
    if qformer is None:
        raise ValueError(f"A {family} model needs a Q-Former, got connector type {config.connector.type!r}.")
    extra: dict[str, Any] = {} if family == "instructblip" else {"use_qformer_text_input": qformer.text_input}
    whole = InstructBlipConfig if family == "instructblip" else Blip2Config
    return whole(
        # The two vision models are the same under two names.
        vision_config=_without_type(config.vision.backbone),
        qformer_config={**_qformer_dict(qformer), **extra},
        text_config=part_dict(config.language),
        num_query_tokens=qformer.num_query_tokens,
        image_token_index=config.image_token_id,
    )


def _qformer_dict(qformer: QFormerConfig) -> dict[str, Any]:
    return {
        **{name: getattr(qformer, name) for name in QFORMER_SHARED},
        "hidden_dropout_prob": qformer.hidden_dropout,
        "attention_probs_dropout_prob": qformer.attention_dropout,
    }


def _llava_config(config: ModelConfig) -> PreTrainedConfig:
    from transformers import LlavaConfig

    layer = config.vision.feature_layer
    linear = config.connector.type == "linear"
    settings: dict[str, Any] = {
        "vision_config": part_dict(config.vision.backbone),
        "text_config": part_dict(config.language),
        "image_token_index": config.image_token_id,
        "image_seq_length": config.num_image_tokens,
        "projector_hidden_act": "linear" if linear else config.connector.hidden_act,
        "multimodal_projector_bias": config.connector.bias,
        "vision_feature_layer": list(layer) if isinstance(layer, tuple) else layer,
        "vision_feature_select_strategy": select_strategy(config),
        "tie_word_embeddings": bool(config.language.tie_word_embeddings),
    }
    return LlavaConfig(**settings)


def select_strategy(config: ModelConfig) -> str:
    """transformers' word for dropping the class token."""
    return "default" if config.vision.has_cls and not config.vision.keep_cls else "full"


def model_config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """The counterpart of ``config_reader.model_config_from_dict``."""
    vision, connector = config.vision, config.connector
    return {
        "vision": {
            "backbone": part_dict(vision.backbone),
            "feature_layer": vision.feature_layer,
            "keep_cls": vision.keep_cls,
            "norm_eps": vision.norm_eps,
        },
        "connector": asdict(connector),
        "text_config": part_dict(config.language),
        "image_token_id": config.image_token_id,
        "image_first": config.image_first,
    }


def part_dict(config: PreTrainedConfig) -> dict[str, Any]:
    """One part's config as JSON, its model type included."""
    content = {name: value for name, value in config.to_dict().items() if name not in _BOOKKEEPING}
    content["model_type"] = config.model_type
    return content


def _without_type(config: PreTrainedConfig) -> dict[str, Any]:
    return {name: value for name, value in part_dict(config).items() if name != "model_type"}
