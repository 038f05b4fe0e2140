"""Memory of one GPU while a stage learns: weights, gradients, optimiser, and an estimate of activations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vistune.model.config import QFormerConfig
from vistune.train.recipe.cost.lengths import Lengths, row_lengths
from vistune.train.recipe.cost.sizes import LanguageSize, Matrix, ModelSize
from vistune.train.recipe.cost.work import has_adapter, lora_parameters
from vistune.train.recipe.parts import PARTS, Part
from vistune.train.recipe.stage import Lora, Stage

Parallel = Literal["none", "ddp", "fsdp"]

# Weights in few bits with their scales: QLoRA section 3 has 4.127 bits a weight; int8 has one scale a row.
_QUANTISED = {"nf4": 4.127 / 8, "int8": 1.0}
# What CUDA, its libraries and the allocator's gaps take.
_RUNTIME = 1.5e9
# Logits of a chunk, their softmax and gradient, in float32 (vistune.model.chunked_loss).
_LOGITS = 3 * 4 * 2**24


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU.

    Args:
        weights: frozen ones, and in float32 those that train. gradients, optimiser: float32, and two moments of AdamW.
        activations: kept for the backward. working: what is there for a moment only, and the runtime.
    """

    weights: float
    gradients: float
    optimiser: float
    activations: float
    working: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.working


def trained_parameters(size: ModelSize, stage: Stage) -> dict[Part, int]:
    """Parameters that learn, by part; of a part with adapters these alone."""
    own = size.parameters(heads=stage.objective == "blip2_stage1")
    return {
        part: lora_parameters(size.part_matrices(part), stage.lora[part]) if part in stage.lora else own[part]
        for part in PARTS
        if part in stage.train and part in own
    }


def frozen_parameters(size: ModelSize, stage: Stage) -> dict[Part, int]:
    """Parameters that stay as they are, by part."""
    own = size.parameters(heads=stage.objective == "blip2_stage1")
    # BLIP-2's first stage runs without the language model, even where a later stage of the recipe has one.
    absent = ("projection", "language") if stage.objective == "blip2_stage1" else ()
    return {
        part: number
        for part, number in own.items()
        if part not in absent and (part not in stage.train or part in stage.lora)
    }


def gpu_memory(
    size: ModelSize, stage: Stage, lengths: Lengths, parallel: Parallel, gpus: int, rows: int, cached: bool = False
) -> Memory:
    """Of each of ``gpus`` that puts ``rows`` samples through the model at once.

    Weights, gradients and optimiser are exact but for what is small; activations are an estimate (in tests
    within 15 % of what torch keeps).
    """
    narrow = compute_bytes(stage)
    trained = sum(trained_parameters(size, stage).values())
    share = gpus if parallel == "fsdp" else 1
    weights = (_frozen_bytes(size, stage) + 4.0 * trained) / share
    # Autocast keeps a narrow copy of what trains; FSDP gathers two layers at a time in its place.
    copies = 2 * largest_layer(size, stage) * narrow if share > 1 else (narrow * trained if narrow < 4 else 0.0)
    passing = 0.0 if cached else rows * lengths.images * _passing(size, narrow)
    return Memory(
        weights=weights,
        gradients=4.0 * trained / share,
        optimiser=8.0 * trained / share,
        activations=rows * sum(kept_activations(size, stage, lengths).values()) * narrow,
        working=copies + passing + _LOGITS + _RUNTIME,
    )


def compute_bytes(stage: Stage) -> int:
    """Bytes of a number that is computed with."""
    return 4 if stage.precision == "float32" else 2


def _frozen_bytes(size: ModelSize, stage: Stage) -> float:
    wanted = stage.precision if stage.frozen_dtype == "auto" else stage.frozen_dtype
    width = 4.0 if wanted == "float32" else 2.0
    result = 0.0
    for part, number in frozen_parameters(size, stage).items():
        kind = stage.quantise.get(part)
        packed = sum(matrix.inputs * matrix.outputs for matrix in size.part_matrices(part)) if kind else 0
        result += width * (number - packed) + (_QUANTISED[kind] * packed if kind else 0.0)
    return result


def largest_layer(size: ModelSize, stage: Stage) -> int:
    """Parameters of the largest unit that FSDP gathers at once."""
    layers = [sum(matrix.parameters for matrix in size.vision.matrices)]
    if size.language is not None and stage.objective != "blip2_stage1":
        language = size.language
        attention = sum(matrix.parameters for matrix in language.attention) * (2 if language.encoder_layers else 1)
        layers.append(attention + sum(matrix.parameters for matrix in language.ffn))
        layers.append(language.vocab * language.hidden)
    return max(layers)


def kept_activations(size: ModelSize, stage: Stage, lengths: Lengths) -> dict[Part, float]:
    """Numbers that are kept for the backward of one sample, by part."""
    trained = set(stage.train)
    features = "vision" in trained or ("ln_vision" in trained and size.feature_layer is None)
    again = set(stage.checkpoint_activations)
    kept: dict[Part, float] = {}
    if "vision" in trained:
        vision = size.vision
        layer = _layer(vision.hidden, vision.hidden, vision.matrices, "vision" in trained, stage.lora.get("vision"))
        kept["vision"] = lengths.images * vision.tokens * _stack(layer, vision.hidden, vision.layers, "vision" in again)
    if "ln_vision" in trained and size.feature_layer is None:
        kept["ln_vision"] = 2.0 * lengths.images * size.features * size.vision.hidden
    flows = features or bool(trained & {"queries", "qformer"})
    if size.qformer is not None and flows:
        kept["qformer"] = lengths.images * _qformer(size, size.qformer, stage, lengths, "qformer" in again)
    if stage.objective == "blip2_stage1":
        return kept
    if size.language is not None and (flows or trained & {"projection", "language"}):
        kept["language"] = _language(size, size.language, stage, lengths, "language" in again)
    return kept


def _stack(layer: float, hidden: int, layers: int, again: bool) -> float:
    """Numbers a token: all layers, or the input of each and one of them whole."""
    return hidden * layers + layer if again else layer * layers


def _layer(hidden: int, attention: int, matrices: Iterable[Matrix], trains: bool, lora: Lora | None) -> float:
    """Numbers a token that one layer keeps.

    Two norms keep their input in float32 (two numbers each); attention keeps queries, keys, values and its result; a
    feed-forward what goes into its activation, and into the product where it is gated. A matrix that trains keeps its
    input, which for the feed-forward is one more; an adapter its own, dropped out, and the mask.
    """
    matrices = list(matrices)
    inner = [matrix for matrix in matrices if matrix.outputs != hidden and matrix.outputs > attention]
    width = inner[-1].outputs if inner else hidden
    gated = len([matrix for matrix in inner if matrix.outputs == width]) > 1
    kept = 4.0 * hidden + 4.0 * attention + (3.0 if gated else 1.0) * width
    if trains:
        kept += 2.0 * hidden + width
    if lora is not None and lora.dropout:
        kept += sum(1.5 * matrix.inputs for matrix in matrices if has_adapter(matrix, lora))
    return kept


def _language(size: ModelSize, language: LanguageSize, stage: Stage, lengths: Lengths, again: bool) -> float:
    lora = stage.lora.get("language")
    trains = "language" in stage.train and lora is None
    read, written = row_lengths(size, lengths)
    matrices = (*language.attention, *language.ffn)
    layer = _layer(language.hidden, language.attention_width, matrices, trains, lora)
    layers = language.encoder_layers or language.layers
    kept = read * _stack(layer, language.hidden, layers, again)
    if language.encoder_layers:
        # Its own attention and that over what was read, whose keys and values are kept for every layer.
        wide = layer + 2 * language.hidden + 2 * language.attention_width
        kept += written * _stack(wide, language.hidden, language.layers, again)
        kept += 0.0 if again else read * 2 * language.attention_width * language.layers
    return kept


def _qformer(size: ModelSize, config: QFormerConfig, stage: Stage, lengths: Lengths, again: bool) -> float:
    h, f, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    text = lengths.instruction if config.instruction_aware or stage.objective == "blip2_stage1" else 0.0
    tokens = config.num_query_tokens + text
    # Post-norm: two dropouts keep masks (half a number); attention keeps its scores' dropout inside.
    layer = 4.0 * h + 4.0 * h + 2.0 * f + 2.0 * h + 1.0 * h
    looking = -(-layers // config.cross_attention_frequency)
    cross = size.features * 2.0 * h + config.num_query_tokens * 7.0 * h
    kept = tokens * _stack(layer, h, layers, again) + (0.0 if again else looking * cross)
    # The first stage: a causal pass, three pairs to match, and the caption alone.
    return kept * 4.5 if stage.objective == "blip2_stage1" else kept


def _passing(size: ModelSize, narrow: int) -> float:
    """Bytes a picture needs while it goes through a frozen encoder: one layer's."""
    vision = size.vision
    return vision.tokens * (8.0 * vision.hidden + 2.0 * vision.ffn) * narrow
