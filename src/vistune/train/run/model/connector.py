"""The connector of a recipe: fresh, and over it what its sources hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vistune.checkpoint.tokenizers import QFORMER_FOLDER, load_qformer_tokenizer, load_tokenizer
from vistune.data.pairs import add_decoder_token
from vistune.errors import CheckpointError, RecipeError
from vistune.model.config import ConnectorConfig, QFormerConfig
from vistune.train.run.model.bert import bert_tensors
from vistune.train.run.model.projector import PROJECTOR_FILE, projector_tensors
from vistune.train.run.model.sources import Opened, Sources
from vistune.train.run.model.stage1 import open_stage1

if TYPE_CHECKING:
    from vistune.train.recipe.parts import Connector

_WORDS = "connector.qformer.embeddings.word_embeddings.weight"
_BY_WORD = (_WORDS, "heads.cls.predictions.decoder.weight", "heads.cls.predictions.decoder.bias")
# It learns with the Q-Former, which reads what it gives.
NORM = "vision.backbone.post_layernorm."


@dataclass
class Filling:
    """What the sources of a connector hold.

    tensors: by our names, ``connector.*``, the encoder's last norm, and of a first stage ``heads.*``; later sources
    over earlier ones.
    origin: of each, the source. tokenizer: the Q-Former's; None: no source brings one.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    tokenizer: Any | None = None
    world: bool = False

    def add(self, tensors: Mapping[str, Tensor], source: str) -> None:
        """Lay tensors over those that are there."""
        self.tensors.update(tensors)
        self.origin.update(dict.fromkeys(tensors, source))


def read_filling(recipe: Connector, sources: Sources) -> Filling:
    """Everything that the connector's sources hold, in their order.

    Raises:
        CheckpointError: a source that has nothing for a connector.
    """
    filling = Filling()
    for name in recipe.from_:
        _read(sources[name], filling)
    return filling


def _read(opened: Opened, filling: Filling) -> None:
    if opened.world:
        filling.world = True
        filling.tokenizer = load_tokenizer(opened.folder)
        weights = _world_words(opened)
        filling.add({_WORDS: weights}, opened.name)
    elif opened.is_whole:
        model, processor = opened.whole
        connector = {f"connector.{name}": value for name, value in model.connector.state_dict().items()}
        filling.add({**connector, **_norm_of(model)}, opened.name)
        filling.tokenizer = processor.qformer_tokenizer or filling.tokenizer
    elif opened.is_stage1:
        first = open_stage1(opened.folder)
        stored = first.model.state_dict()
        connector = {name: value for name, value in stored.items() if not name.startswith("vision.")}
        filling.add({**connector, **_norm_of(first.model)}, opened.name)
        filling.tokenizer = first.processor.tokenizer
    elif opened.kind == "bert":
        filling.add(bert_tensors(opened.folder), opened.name)
        filling.tokenizer = _bert_tokenizer(opened)
    elif (opened.folder / PROJECTOR_FILE).is_file():
        filling.add(projector_tensors(opened.folder), opened.name)
    else:
        raise CheckpointError(
            f"{opened.name!r} has no connector ({opened.kind or 'no model_type'} in its config.json); give a whole "
            f"InstructBLIP, BLIP-2 or LLaVA, a run of vistune, a BERT, or a folder with LLaVA's {PROJECTOR_FILE}."
        )


def _norm_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if name.startswith(NORM)}


def _world_words(opened: Opened) -> Tensor:
    from vistune.checkpoint.weights import WeightFiles

    entries = WeightFiles(opened.folder).entries
    name = next(name for name in entries if name.endswith("embed_tokens.weight"))
    return entries[name].read().float()


def _bert_tokenizer(opened: Opened) -> Any:
    from transformers import AutoTokenizer

    if (opened.folder / QFORMER_FOLDER).is_dir():
        return load_qformer_tokenizer(opened.folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(opened.folder)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"The tokenizer of {opened.name!r} cannot be loaded ({error}); fetch it again."
        ) from error
    # The released Q-Formers count it among their words, whatever is trained (LAVIS blip2.py, init_tokenizer).
    add_decoder_token(tokenizer)
    return tokenizer


def connector_config(
    recipe: Connector, feature_size: int, tokenizer: Any | None, language_vocabulary: int | None
) -> ConnectorConfig:
    """The config of the recipe's connector.

    Raises:
        RecipeError: it reads text, but there is no tokenizer, or one with more words than it has embeddings.
    """
    if recipe.type != "qformer":
        return ConnectorConfig(recipe.type)
    words = recipe.vocab_size
    if words is None:
        words = len(tokenizer) if tokenizer is not None else language_vocabulary
    if recipe.text_input and recipe.instruction_aware and tokenizer is None:
        raise RecipeError(
            "The Q-Former reads the instruction, but none of model.connector.from brings its tokenizer; add "
            "google-bert/bert-base-uncased, or a checkpoint of InstructBLIP."
        )
    if tokenizer is not None and words is not None and len(tokenizer) > words:
        raise RecipeError(
            f"model.connector.vocab_size is {words}, but the Q-Former's tokenizer has {len(tokenizer)} words; give "
            "that number, or null."
        )
    pad = getattr(tokenizer, "pad_token_id", None)
    return ConnectorConfig(
        "qformer",
        QFormerConfig(
            vocab_size=int(words or 1),
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=recipe.num_attention_heads,
            intermediate_size=recipe.intermediate_size,
            hidden_dropout=recipe.dropout,
            attention_dropout=recipe.dropout,
            max_position_embeddings=recipe.max_position_embeddings,
            cross_attention_frequency=recipe.cross_attention_frequency,
            encoder_hidden_size=feature_size,
            num_query_tokens=recipe.num_query_tokens,
            pad_token_id=0 if pad is None else int(pad),
            instruction_aware=recipe.instruction_aware,
            text_input=recipe.text_input,
        ),
    )


def fill(module: nn.Module, prefix: str, filling: Filling, leave: Sequence[str] = ()) -> list[str]:
    """Put what the sources hold into a fresh module; returns the names, without prefix, that stay fresh.

    What has a row for each word may have rows beyond those of its source (BERT has no [DEC]); they stay fresh.

    Args:
        prefix: of the module's names, "connector." or "heads.". leave: beginnings of names, prefix included, that are
            to stay fresh.

    Raises:
        CheckpointError: a tensor of another shape.
    """
    fresh: list[str] = []
    with torch.no_grad():
        for name, own in module.state_dict(keep_vars=True).items():
            full = prefix + name
            value = filling.tensors.get(full)
            if value is None or full.startswith(tuple(leave)):
                fresh.append(name)
                continue
            rows = value.shape[0] if value.ndim else 0
            if value.shape != own.shape and not (
                full in _BY_WORD and rows < own.shape[0] and value.shape[1:] == own.shape[1:]
            ):
                raise CheckpointError(
                    f"{filling.origin[full]!r} has {full} of shape {list(value.shape)}, expected {list(own.shape)}; "
                    "set model.connector to the sizes of its source, or leave that source out."
                )
            (own[:rows] if own.ndim else own).copy_(value)
    return fresh


def unused_sources(recipe: Connector, filling: Filling, names: set[str]) -> list[str]:
    """Sources of which nothing went into the model: ``names`` are those tensors that did."""
    used = {filling.origin[name] for name in names if name in filling.origin}
    return [source for source in recipe.from_ if source not in used]


def start_projection(projection: nn.Linear, embeddings: Tensor, seed: int) -> None:
    """Outputs as large as the language model's embeddings from the first step on; for a small world's little data."""
    std = float(embeddings.detach().float().std()) / projection.in_features**0.5
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        projection.weight.normal_(std=std, generator=generator)
        projection.bias.zero_()
