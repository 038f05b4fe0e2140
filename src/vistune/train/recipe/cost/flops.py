"""FLOPs of learning from one sample, by part of the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from vistune.model.config import QFormerConfig
from vistune.train.recipe.cost.lengths import Lengths, row_lengths
from vistune.train.recipe.cost.sizes import LanguageSize, Matrix, ModelSize, qformer_attention, qformer_ffn
from vistune.train.recipe.cost.work import Learning, Work, attention, products, total
from vistune.train.recipe.parts import Part
from vistune.train.recipe.stage import Stage

Place = Literal["vision", "qformer", "projection", "language", "heads"]
PLACES: tuple[Place, ...] = ("vision", "qformer", "projection", "language", "heads")
"""Where work is done, in this order."""


@dataclass(frozen=True)
class _Gradients:
    """Which gradients are wanted: by the picture's features, the Q-Former's output, the language model's input."""

    features: bool
    connector: bool
    projection: bool

    @classmethod
    def of(cls, size: ModelSize, stage: Stage) -> _Gradients:
        trained = set(stage.train)
        features = "vision" in trained or ("ln_vision" in trained and size.feature_layer is None)
        connector = features or (size.qformer is not None and bool(trained & {"queries", "qformer"}))
        return cls(features, connector, connector or "projection" in trained)


def sample_work(size: ModelSize, stage: Stage, lengths: Lengths, cached: bool = False) -> dict[Place, Work]:
    """Work by place for one sample of these lengths, none of it for padding.

    Args:
        cached: the features of the frozen image encoder are read instead of computed.
    """
    gradients = _Gradients.of(size, stage)
    again = set(stage.checkpoint_activations)
    work: dict[Place, Work] = {}
    if not cached:
        last = products(size.vision.matrices[-1:], size.vision.tokens, Learning(False)) * size.vision.layers
        encoded = _vision(size, stage).recomputed("vision" in again, last)
        work["vision"] = encoded * lengths.images
    if stage.objective == "blip2_stage1":
        if size.qformer is None:
            raise ValueError("BLIP-2's first stage needs a Q-Former; the recipe was not checked.")
        learning = _learning(stage, "qformer", gradients.connector)
        work["qformer"] = _stage1(size, size.qformer, learning, gradients, lengths).recomputed("qformer" in again)
        work["heads"] = _heads(size.qformer, stage, lengths)
        return work
    if size.qformer is not None:
        learning = _learning(stage, "qformer", gradients.connector)
        text = lengths.instruction if size.qformer.instruction_aware else 0.0
        read = _qformer(size, size.qformer, learning, gradients, text) * lengths.images
        work["qformer"] = read.recomputed("qformer" in again)
    work["projection"] = _projection(size, stage, gradients) * lengths.images
    if size.language is not None:
        work["language"] = _language(size, size.language, stage, gradients, lengths)
    return work


def _learning(stage: Stage, part: Part, flows: bool) -> Learning:
    trains = part in stage.train
    return Learning(flows or trains, trains, stage.lora.get(part))


def _vision(size: ModelSize, stage: Stage) -> Work:
    vision = size.vision
    patches = Matrix("patch", 3 * vision.patch**2, vision.hidden)
    result = Work()
    learning = _learning(stage, "vision", False)
    for number in range(vision.layers):
        # Layers above the one that is read are computed, but no gradient reaches them.
        own = learning if number < size.layers_read else Learning(False)
        result += products(vision.matrices, vision.tokens, own)
        result += attention(vision.tokens, vision.tokens, vision.hidden, own)
    return result + products([patches], vision.patches, learning, passes_on=False)


def _qformer(size: ModelSize, config: QFormerConfig, learning: Learning, gradients: _Gradients, text: float) -> Work:
    """Queries, and text beside them where it is read."""
    queries = config.num_query_tokens
    own = _text_layers(config, learning, queries + text)
    ffn = products(qformer_ffn(config), queries + text, learning) * config.num_hidden_layers
    return own + ffn + _cross_attention(size, config, learning, gradients)


def _text_layers(config: QFormerConfig, learning: Learning, tokens: float) -> Work:
    """Self-attention of all layers."""
    own = products(qformer_attention(config, config.hidden_size), tokens, learning)
    return (own + attention(tokens, tokens, config.hidden_size, learning)) * config.num_hidden_layers


def _cross_attention(size: ModelSize, config: QFormerConfig, learning: Learning, gradients: _Gradients) -> Work:
    """Of all layers that look at the picture, which keys and values pass gradients to only where it wants them."""
    query, key, value, output = qformer_attention(config, config.encoder_hidden_size)
    layer = total(
        (
            products([query, output], config.num_query_tokens, learning),
            products([key, value], size.features, learning, passes_on=gradients.features),
            attention(config.num_query_tokens, size.features, config.hidden_size, learning),
        )
    )
    looking = range(0, config.num_hidden_layers, config.cross_attention_frequency)
    return layer * len(looking)


def _stage1(
    size: ModelSize, config: QFormerConfig, learning: Learning, gradients: _Gradients, lengths: Lengths
) -> Work:
    """A causal pass over queries and caption, the caption alone, and three pairs to match (vistune.model.stage1)."""
    text = lengths.instruction
    alone = _text_layers(config, learning, text)
    alone += products(qformer_ffn(config), text, learning) * config.num_hidden_layers
    return alone + _qformer(size, config, learning, gradients, text) * 4


def _heads(config: QFormerConfig, stage: Stage, lengths: Lengths) -> Work:
    learning = _learning(stage, "heads", True)
    h, shared = config.hidden_size, 256
    queries, words = config.num_query_tokens, lengths.instruction - 1
    embeds = Matrix("decoder", h, config.vocab_size)
    # Word scores share the Q-Former's embeddings, so their gradient is wanted where that trains.
    tied = Learning(True, "qformer" in stage.train and "qformer" not in stage.lora)
    # Each picture against all captions of the batch, and each caption against all pictures.
    compared = 2.0 * 2.0 * stage.batch_size * queries * shared
    return total(
        (
            products([Matrix("vision_proj", h, shared)], queries, learning),
            products([Matrix("text_proj", h, shared)], 1, learning),
            products([Matrix("itm_head", h, 2)], 3 * queries, learning),
            products([Matrix("dense", h, h)], words, learning),
            products([embeds], words, tied),
            Work(compared, 2 * compared),
        )
    )


def _projection(size: ModelSize, stage: Stage, gradients: _Gradients) -> Work:
    learning = _learning(stage, "projection", gradients.connector)
    tokens = size.image_tokens
    first, *others = size.projections
    return products([first], tokens, learning, passes_on=gradients.connector) + products(others, tokens, learning)


def _language(size: ModelSize, language: LanguageSize, stage: Stage, gradients: _Gradients, lengths: Lengths) -> Work:
    learning = _learning(stage, "language", gradients.projection)
    again = "language" in stage.checkpoint_activations
    read, written = row_lengths(size, lengths)
    layers = language.encoder_layers or language.layers
    stack = _layer(language, read, learning) * layers
    work = stack.recomputed(again, last=products(language.ffn[-1:], read, learning) * layers)
    if language.encoder_layers:
        decoder = _decoder(language, read, written, learning)
        last = products(language.ffn[-1:], written, learning) * language.layers
        work += decoder.recomputed(again, last)
    # The head has no adapter.
    head = Learning(learning.flows, learning.trains and learning.lora is None)
    return work + products([Matrix("lm_head", language.hidden, language.vocab)], lengths.target, head)


def _layer(language: LanguageSize, tokens: float, learning: Learning) -> Work:
    linear = products((*language.attention, *language.ffn), tokens, learning)
    return linear + attention(tokens, tokens, language.attention_width, learning)


def _decoder(language: LanguageSize, read: float, written: float, learning: Learning) -> Work:
    """Of an encoder-decoder. Frozen word embeddings want no gradient, so the first layer's own attention has none."""
    query, key, value, output = language.attention
    result = Work()
    for number in range(language.layers):
        learns = learning.trains or number > 0
        own = learning if learns else Learning(False)
        result += products(language.attention, written, own)
        result += attention(written, written, language.attention_width, own)
        result += products([query], written, learning, passes_on=learns and learning.flows)
        result += products([key, value], read, learning) + products([output, *language.ffn], written, learning)
        result += attention(written, read, language.attention_width, learning, query_learns=learns)
    return result


def mean_work(shares: Iterable[tuple[float, Mapping[Place, Work]]]) -> dict[Place, Work]:
    """Of several kinds of samples, each with its share."""
    result: dict[Place, Work] = {}
    for share, work in shares:
        for place, own in work.items():
            result[place] = result.get(place, Work()) + own * share
    return result
