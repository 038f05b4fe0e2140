"""config.json of a folder, in any of the known families, as a ModelConfig."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.checkpoint.facts import Facts, read_facts
from vistune.checkpoint.layouts import Family
from vistune.checkpoint.locate import ADAPTER_FILE, known_pieces, read_json
from vistune.checkpoint.special_ids import repair_language_config
from vistune.checkpoint.tokenizers import image_token_of, load_tokenizer
from vistune.checkpoint.weights import WeightFiles
from vistune.errors import CheckpointError
from vistune.model.config import ConnectorConfig, ModelConfig, QFormerConfig, VisionConfig

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_TEXT_EMBEDDING = "embeddings.word_embeddings.weight"
# Fields of the Q-Former's config that have the same name here and in transformers.
QFORMER_SHARED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "layer_norm_eps",
    "cross_attention_frequency",
    "encoder_hidden_size",
    "pad_token_id",
    "initializer_range",
)
_SECOND_LINEAR = ("multi_modal_projector.linear_2.", "model.multi_modal_projector.linear_2.")


@dataclass
class Folder:
    """A checkpoint folder; its pieces are read when they are first asked for, and only once."""

    path: Path
    trust_remote_code: bool = False
    repairs: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @cached_property
    def raw(self) -> dict[str, Any]:
        """config.json"""
        if not (self.path / "config.json").is_file():
            raise CheckpointError(f"{str(self.path)!r} is no checkpoint: {_why_no_config(self.path)}.")
        return read_json(self.path / "config.json")

    @cached_property
    def family(self) -> Family:
        """Which layout the folder has."""
        kind = self.raw.get("model_type")
        if kind not in ("instructblip", "blip-2", "llava", "vistune"):
            raise CheckpointError(f"{str(self.path)!r} holds a model of type {kind!r}: {_why_not(self.raw)}.")
        if "quantization_config" in self.raw:
            raise CheckpointError(f"{str(self.path)!r} holds quantised weights; give the full-precision checkpoint.")
        family: Family = kind
        return family

    @cached_property
    def facts(self) -> Facts:
        """vistune.json"""
        return read_facts(self.path)

    @cached_property
    def tokenizer(self) -> Any:
        """The language model's tokenizer, ``<image>`` added if it was not there."""
        return load_tokenizer(self.path, self.trust_remote_code)

    @cached_property
    def weights(self) -> WeightFiles:
        """The weight files, opened but not read."""
        return WeightFiles(self.path)

    @cached_property
    def transformers_config(self) -> PreTrainedConfig | None:
        """transformers' own reading of config.json; None for our model type."""
        from transformers import Blip2Config, InstructBlipConfig, LlavaConfig

        classes: dict[str, Any] = {"instructblip": InstructBlipConfig, "blip-2": Blip2Config, "llava": LlavaConfig}
        if self.family == "vistune":
            return None
        try:
            config: PreTrainedConfig = classes[self.family].from_pretrained(self.path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{str(self.path / 'config.json')!r} cannot be understood ({_first_line(error)}); expected the "
                f"config of a {self.family} model as transformers writes it."
            ) from error
        return config

    @cached_property
    def config(self) -> ModelConfig:
        """The model config, special ids repaired by the tokenizer."""
        source = self.transformers_config
        config = self._read_ours() if source is None else self._translate(source)
        self.repairs.update(repair_language_config(config.language, self.tokenizer))
        named = getattr(source, "image_token_index", None)
        if named is not None and named != config.image_token_id:
            self.repairs["image_token_index"] = (named, config.image_token_id)
        return config

    def _translate(self, source: PreTrainedConfig) -> ModelConfig:
        language = source.text_config
        if self.family == "llava":
            language.tie_word_embeddings = bool(source.tie_word_embeddings or language.tie_word_embeddings)
            vision = self._llava_vision(source)
            connector = self._projector(source)
        else:
            vision = VisionConfig(source.vision_config, norm_eps=self.facts.norm_eps)
            connector = ConnectorConfig("qformer", self._qformer(source))
        return ModelConfig(
            vision=vision,
            connector=connector,
            language=language,
            # The tokenizer makes the ids that stand for images, so it knows; old configs do not have the field.
            image_token_id=self.tokenizer.convert_tokens_to_ids(image_token_of(self.tokenizer, self.path)),
            image_first=self.family != "llava",
        )

    def _llava_vision(self, source: PreTrainedConfig) -> VisionConfig:
        layer = source.vision_feature_layer
        vision = VisionConfig(
            source.vision_config,
            feature_layer=tuple(layer) if isinstance(layer, list | tuple) else layer,
            keep_cls=source.vision_feature_select_strategy == "full",
            norm_eps=self.facts.norm_eps,
        )
        if not vision.has_cls and not vision.keep_cls:
            raise CheckpointError(
                f"{str(self.path)!r} asks for vision_feature_select_strategy 'default', which drops the class "
                f"token, of a {source.vision_config.model_type} that has none; set it to 'full'."
            )
        return vision

    def _projector(self, source: PreTrainedConfig) -> ConnectorConfig:
        act, bias = source.projector_hidden_act, source.multimodal_projector_bias
        if act == "linear" and self._second_layer_is_identity():
            return ConnectorConfig("linear", bias=bias)
        return ConnectorConfig("mlp", bias=bias, hidden_act=act)

    def _second_layer_is_identity(self) -> bool:
        import torch

        for prefix in _SECOND_LINEAR:
            if prefix + "weight" not in self.weights:
                continue
            weight = self.weights.entries[prefix + "weight"].read()
            bias = self.weights.entries[prefix + "bias"].read() if prefix + "bias" in self.weights else None
            identity = torch.eye(*weight.shape, dtype=weight.dtype)
            return torch.equal(weight, identity) and (bias is None or not bias.any())
        return False

    def _qformer(self, source: PreTrainedConfig) -> QFormerConfig:
        theirs = source.qformer_config
        aware = self.family == "instructblip"
        return QFormerConfig(
            **{name: getattr(theirs, name) for name in QFORMER_SHARED if getattr(theirs, name, None) is not None},
            hidden_dropout=theirs.hidden_dropout_prob,
            attention_dropout=theirs.attention_probs_dropout_prob,
            num_query_tokens=source.num_query_tokens,
            instruction_aware=aware,
            text_input=aware or (theirs.use_qformer_text_input and _TEXT_EMBEDDING in self.weights),
        )

    def _read_ours(self) -> ModelConfig:
        try:
            return model_config_from_dict(self.raw)
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{str(self.path / 'config.json')!r} cannot be understood ({type(error).__name__}: "
                f"{_first_line(error)}); expected what vistune writes for its own combinations."
            ) from error


def model_config_from_dict(raw: dict[str, Any]) -> ModelConfig:
    """The counterpart of ``config_writer.model_config_to_dict``."""
    vision, connector = raw["vision"], raw["connector"]
    layer = vision["feature_layer"]
    qformer = connector["qformer"]
    return ModelConfig(
        vision=VisionConfig(
            part_config(vision["backbone"]),
            tuple(layer) if isinstance(layer, list) else layer,
            vision["keep_cls"],
            vision["norm_eps"],
        ),
        connector=ConnectorConfig(
            connector["type"],
            None if qformer is None else QFormerConfig(**qformer),
            connector["bias"],
            connector["hidden_act"],
        ),
        language=part_config(raw["text_config"]),
        image_token_id=raw["image_token_id"],
        image_first=raw["image_first"],
    )


def part_config(values: dict[str, Any]) -> PreTrainedConfig:
    """transformers' config of one part from its dict."""
    from transformers import AutoConfig, Blip2VisionConfig, InstructBlipVisionConfig

    values = dict(values)
    kind = values.pop("model_type")
    # AutoConfig knows these two only inside their whole models.
    own = {"blip_2_vision_model": Blip2VisionConfig, "instructblip_vision_model": InstructBlipVisionConfig}
    return own[kind](**values) if kind in own else AutoConfig.for_model(kind, **values)


def _why_no_config(folder: Path) -> str:
    if any((folder / "model" / name).is_file() for name in ("config.json", ADAPTER_FILE)):
        return f"it is the folder of a run; give its model, {str(folder / 'model')!r}"
    found = "it has no config.json" if any(folder.iterdir()) else "it is empty"
    return known_pieces(folder) or f"{found}; give the folder that holds config.json and the weights"


def _why_not(raw: dict[str, Any]) -> str:
    if "mm_projector_type" in raw or "mm_vision_tower" in raw:
        return (
            "a checkpoint of the original LLaVA code; convert it with transformers' "
            "convert_llava_weights_to_hf.py, or take the llava-hf version"
        )
    if raw.get("model_type") == "vistune-stage1":
        return "the first stage of BLIP-2, which has no language model; train a second stage that starts from it"
    return "expected 'instructblip', 'blip-2', 'llava' or 'vistune'; give a checkpoint of one of these"


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
