"""How large the parts of a model are, and how many parameters each has: arithmetic on sizes, no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vistune.model.config import QFormerConfig
from vistune.train.recipe.parts import Part


@dataclass(frozen=True)
class Matrix:
    """A Linear. ``name``: its last word, by which adapters are put on it."""

    name: str
    inputs: int
    outputs: int
    bias: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.inputs * self.outputs + self.bias * self.outputs


@dataclass(frozen=True)
class VisionSize:
    """A ViT.

    Args:
        pre_norm: a LayerNorm before the first layer (CLIP). patch_bias: of the patch convolution (EVA).
        joined: queries, keys and values come from one matrix (EVA).
    """

    hidden: int
    layers: int
    ffn: int
    image: int
    patch: int
    pre_norm: bool
    patch_bias: bool
    joined: bool

    @property
    def patches(self) -> int:
        """Number of patches of a picture."""
        return (self.image // self.patch) ** 2

    @property
    def tokens(self) -> int:
        """Patches and the class token."""
        return self.patches + 1

    @property
    def norm_parameters(self) -> int:
        """Of the last norm, ``ln_vision``."""
        return 2 * self.hidden

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """Of one layer."""
        d, f = self.hidden, self.ffn
        if self.joined:
            attention = [Matrix("qkv", d, 3 * d, True), Matrix("projection", d, d, True)]
        else:
            attention = [Matrix(name, d, d, True) for name in ("q_proj", "k_proj", "v_proj", "out_proj")]
        return (*attention, Matrix("fc1", d, f, True), Matrix("fc2", f, d, True))

    @property
    def parameters(self) -> int:
        """Of the encoder without its last norm."""
        d = self.hidden
        embeddings = 3 * self.patch**2 * d + self.patch_bias * d + d + self.tokens * d + self.pre_norm * 2 * d
        return embeddings + self.layers * (count(self.matrices) + 4 * d)


@dataclass(frozen=True)
class LanguageSize:
    """A language model.

    Args:
        family: "llama", "opt" or "t5". hidden, vocab: widths. layers: of the decoder; encoder_layers: 0 for
            decoder-only models. heads, head: number of attention heads and the width of one.
        attention, ffn: matrices of an attention (queries, keys, values, output) and of a feed-forward.
        tied: the head shares the embeddings. positions: learned ones, or buckets of relative ones.
    """

    family: str
    hidden: int
    layers: int
    heads: int
    head: int
    vocab: int
    attention: tuple[Matrix, ...] = field(repr=False)
    ffn: tuple[Matrix, ...] = field(repr=False)
    encoder_layers: int = 0
    tied: bool = False
    positions: int = 0

    @property
    def attention_width(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head

    @property
    def ffn_width(self) -> int:
        """Inner width of the feed-forward."""
        return self.ffn[0].outputs

    @property
    def parameters(self) -> int:
        """Of the whole model; tied ones once."""
        d, attention, ffn = self.hidden, count(self.attention), count(self.ffn)
        embeddings = self.vocab * d * (1 if self.tied else 2)
        if self.family == "t5":
            encoder = self.encoder_layers * (attention + ffn + 2 * d)
            decoder = self.layers * (2 * attention + ffn + 3 * d)
            return embeddings + encoder + decoder + 2 * d + 2 * self.positions * self.heads
        if self.family == "opt":
            return embeddings + self.positions * d + self.layers * (attention + ffn + 4 * d) + 2 * d
        return embeddings + self.layers * (attention + ffn + 2 * d) + d

    @property
    def layer_matrices(self) -> list[Matrix]:
        """Every matrix but the head, of all layers."""
        encoder = self.encoder_layers * [*self.attention, *self.ffn]
        crosses = 2 if self.encoder_layers else 1
        return encoder + self.layers * [*self.attention * crosses, *self.ffn]


@dataclass(frozen=True)
class ModelSize:
    """A whole model.

    Args:
        qformer: None for a connector that is ``linear`` or ``mlp``. feature_layer: of the image encoder that the
            connector reads; None: after the last norm. keep_cls: and the class token. language: None in BLIP-2's
            stage 1.
    """

    vision: VisionSize
    connector: str
    qformer: QFormerConfig | None
    language: LanguageSize | None
    feature_layer: int | None
    keep_cls: bool

    @property
    def features(self) -> int:
        """Number of features of a picture that the connector reads."""
        return self.vision.tokens if self.keep_cls else self.vision.patches

    @property
    def image_tokens(self) -> int:
        """Places of the language model that a picture takes."""
        return self.qformer.num_query_tokens if self.qformer else self.features

    @property
    def layers_read(self) -> int:
        """Layers of the image encoder that gradients would reach."""
        return self.vision.layers + (0 if self.feature_layer is None else 1 + self.feature_layer)

    @property
    def projections(self) -> tuple[Matrix, ...]:
        """From the connector's width to the language model's."""
        if self.language is None:
            return ()
        width = self.language.hidden
        first = Matrix("projection", self.qformer.hidden_size if self.qformer else self.vision.hidden, width, True)
        return (first, Matrix("linear_2", width, width, True)) if self.connector == "mlp" else (first,)

    def parameters(self, heads: bool = False) -> dict[Part, int]:
        """By part, as training names them. ``heads``: with those of BLIP-2's stage 1."""
        found: dict[Part, int] = {"vision": self.vision.parameters, "ln_vision": self.vision.norm_parameters}
        if self.qformer is not None:
            found["queries"] = self.qformer.num_query_tokens * self.qformer.hidden_size
            found["qformer"] = qformer_parameters(self.qformer)
            if heads:
                found["heads"] = stage1_head_parameters(self.qformer)
        if self.language is not None:
            found["projection"] = count(self.projections)
            found["language"] = self.language.parameters
        return found

    def part_matrices(self, part: Part) -> list[Matrix]:
        """Every Linear that adapters may be put on."""
        if part == "vision":
            return self.vision.layers * list(self.vision.matrices)
        if part == "language" and self.language is not None:
            return self.language.layer_matrices
        if part == "qformer" and self.qformer is not None:
            return qformer_matrices(self.qformer)
        return []


def count(matrices: Iterable[Matrix]) -> int:
    """Parameters of all of them."""
    return sum(matrix.parameters for matrix in matrices)


def qformer_attention(config: QFormerConfig, source: int) -> tuple[Matrix, ...]:
    """Query, key, value, output; keys and values are made from something ``source`` wide."""
    h = config.hidden_size
    sizes = (("query", h), ("key", source), ("value", source), ("dense", h))
    return tuple(Matrix(name, width, h, True) for name, width in sizes)


def qformer_ffn(config: QFormerConfig) -> tuple[Matrix, ...]:
    """Both matrices of a feed-forward."""
    h, f = config.hidden_size, config.intermediate_size
    return Matrix("dense", h, f, True), Matrix("dense", f, h, True)


def qformer_matrices(config: QFormerConfig) -> list[Matrix]:
    """Of all layers."""
    own, ffn = qformer_attention(config, config.hidden_size), qformer_ffn(config)
    layers = config.num_hidden_layers * [*own, *ffn * (2 if config.text_input else 1)]
    return layers + cross_layers(config) * list(qformer_attention(config, config.encoder_hidden_size))


def qformer_parameters(config: QFormerConfig) -> int:
    """Of the Q-Former without its queries."""
    h = config.hidden_size
    text = (config.vocab_size + config.max_position_embeddings) * h if config.text_input else 0
    norms = config.num_hidden_layers * (3 if config.text_input else 2) + cross_layers(config) + 1
    return text + norms * 2 * h + count(qformer_matrices(config))


def cross_layers(config: QFormerConfig) -> int:
    """Number of layers that look at the picture."""
    return -(-config.num_hidden_layers // config.cross_attention_frequency)


def stage1_head_parameters(config: QFormerConfig, shared: int = 256) -> int:
    """Of BLIP-2's stage 1: two projections to ``shared``, matching, temperature, and a head tied to the embeddings."""
    h = config.hidden_size
    return 2 * (h * shared + shared) + 2 * h + 2 + 1 + h * h + h + 2 * h + config.vocab_size
