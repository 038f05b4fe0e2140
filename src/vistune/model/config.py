"""What a vision-language model is made of, as data: no class per paper, only a choice of three parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ConnectorType = Literal["qformer", "linear", "mlp"]


@dataclass(frozen=True)
class VisionConfig:
    """An image encoder and which of its features the connector reads.

    Args:
        backbone: transformers' config of the vision model.
        feature_layer: None reads the last hidden state after the final norm (EVA ViT-g of BLIP-2: after ln_vision);
            an int indexes ``hidden_states`` as LLaVA does (-2: the layer before the last); several are concatenated.
        keep_cls: False drops token 0 (LLaVA's select strategy "default"); True keeps all tokens (257 for ViT-g).
        norm_eps: epsilon of the final norm where it differs from the backbone's own. transformers' BLIP-2 folders use
            1e-6, LAVIS computes ln_vision with 1e-5 (LAVIS blip2.py against eva_vit.py).
    """

    backbone: PreTrainedConfig
    feature_layer: int | tuple[int, ...] | None = None
    keep_cls: bool = True
    norm_eps: float | None = None

    @property
    def feature_size(self) -> int:
        """Width of the features handed to the connector."""
        layers = len(self.feature_layer) if isinstance(self.feature_layer, tuple) else 1
        return int(self.backbone.hidden_size) * layers

    @property
    def has_cls(self) -> bool:
        """Whether token 0 is a class token (SigLIP has none)."""
        return not self.backbone.model_type.startswith("siglip")

    @property
    def num_features(self) -> int:
        """Number of features of one image of the configured size."""
        patches = (int(self.backbone.image_size) // int(self.backbone.patch_size)) ** 2
        return patches + (1 if self.has_cls and self.keep_cls else 0)


@dataclass(frozen=True)
class QFormerConfig:
    """Querying Transformer, BERT-base sized by default (BLIP-2 section 3.1; LAVIS Qformer.py).

    ``instruction_aware`` feeds the instruction to the Q-Former beside the queries (InstructBLIP section 2.3).
    ``text_input`` False leaves out the text embeddings and the text feed-forward (BLIP-2 stage-2 checkpoints).
    """

    vocab_size: int = 30523
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    max_position_embeddings: int = 512
    layer_norm_eps: float = 1e-12
    cross_attention_frequency: int = 2
    encoder_hidden_size: int = 1408
    num_query_tokens: int = 32
    pad_token_id: int = 0
    initializer_range: float = 0.02
    instruction_aware: bool = True
    text_input: bool = True

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"Q-Former hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}; choose sizes that divide."
            )
        if self.instruction_aware and not self.text_input:
            raise ValueError("An instruction-aware Q-Former needs text_input=True; set it, or instruction_aware=False.")


@dataclass(frozen=True)
class ConnectorConfig:
    """How image features become inputs of the language model: Q-Former + Linear, one Linear, or a two-layer MLP."""

    type: ConnectorType
    qformer: QFormerConfig | None = None
    bias: bool = True
    hidden_act: str = "gelu"

    def __post_init__(self) -> None:
        if self.type not in ("qformer", "linear", "mlp"):
            raise ValueError(f"Unknown connector type {self.type!r}; expected 'qformer', 'linear' or 'mlp'.")
        if (self.type == "qformer") != (self.qformer is not None):
            raise ValueError(f"Connector type {self.type!r} and qformer={self.qformer!r} do not fit together.")


@dataclass(frozen=True)
class ModelConfig:
    """A whole vision-language model.

    Args:
        vision, connector: see there.
        language: transformers' config of the language model (decoder-only, or encoder-decoder such as T5).
        image_token_id: the id that stands in ``input_ids`` where an image embedding goes. It may lie beyond the
            embedding matrix (folders written before transformers 4.46): these positions are never looked up.
        image_first: True puts the image embeddings before BOS (InstructBLIP, BLIP-2), False where ``<image>`` stands.
    """

    vision: VisionConfig
    connector: ConnectorConfig
    language: PreTrainedConfig = field(repr=False)
    image_token_id: int
    image_first: bool

    @property
    def num_image_tokens(self) -> int:
        """Number of language-model positions that one image takes."""
        if self.connector.qformer is not None:
            return self.connector.qformer.num_query_tokens
        return self.vision.num_features

    @property
    def language_size(self) -> int:
        """Width of the language model's input embeddings."""
        return language_width(self.language)

    @property
    def instruction_aware(self) -> bool:
        """Whether the connector reads the instruction."""
        return self.connector.qformer is not None and self.connector.qformer.instruction_aware


def language_width(config: PreTrainedConfig) -> int:
    """Width of the input embeddings (OPT-350m embeds in ``word_embed_proj_dim``, narrower than its layers)."""
    narrow = getattr(config, "word_embed_proj_dim", None)
    return int(narrow if narrow is not None else config.hidden_size)
