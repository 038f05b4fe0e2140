"""A recipe's model put together: which weights come from where, and which are fresh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vistune.checkpoint.assemble import build_empty
from vistune.checkpoint.tokenizers import image_token_of
from vistune.data.pairs import add_decoder_token
from vistune.data.processor import Processor
from vistune.errors import RecipeError
from vistune.model.config import ConnectorConfig, ModelConfig
from vistune.model.connectors import QFormerConnector, build_connector
from vistune.model.stage1 import QueryReader
from vistune.model.vision import VisionEncoder
from vistune.model.vlm import VisionLanguageModel
from vistune.train.run.model.assembly import Assembly
from vistune.train.run.model.connector import (
    NORM,
    Filling,
    connector_config,
    fill,
    read_filling,
    start_projection,
    unused_sources,
)
from vistune.train.run.model.language import LanguagePart, build_language
from vistune.train.run.model.notes import connector_note
from vistune.train.run.model.sources import Sources
from vistune.train.run.model.vision import build_vision
from vistune.train.run.model.world import CHAT_TEMPLATE

if TYPE_CHECKING:
    from vistune.train.recipe.parts import Model

_PROJECTION = ("connector.projection.",)


def assemble(recipe: Model, seed: int, captions: bool = False) -> Assembly:
    """The model that the recipe names, on the CPU, in eval mode, its weights in the dtypes that they are stored in.

    Args:
        seed: of fresh weights, which depend on it alone. captions: the Q-Former is to write captions (BLIP-2's first
            stage), for which its tokenizer needs a token that opens them.

    Raises:
        CheckpointError: a source that is not there or does not fit. RecipeError: parts that do not fit together.
    """
    sources = Sources()
    if recipe.from_ is not None:
        return _from_checkpoint(recipe.from_, sources, seed)
    if recipe.vision is None or recipe.connector is None:
        raise RecipeError("The recipe's model has neither `from` nor vision and connector; name them.")
    vision, image_processor = build_vision(recipe.vision, sources[recipe.vision.from_])
    notes = [f"image encoder from {recipe.vision.from_}"]
    language = None
    if recipe.language is not None:
        language = build_language(recipe.language, sources[recipe.language.from_])
        notes.append(f"language model from {recipe.language.from_}")
    filling = read_filling(recipe.connector, sources)
    if captions and filling.tokenizer is not None:
        add_decoder_token(filling.tokenizer)
    vocabulary = None if language is None else int(language.model.config.vocab_size)
    config = connector_config(recipe.connector, vision.config.feature_size, filling.tokenizer, vocabulary)
    connector = _connector(config, vision, language, seed)
    leave = _PROJECTION if recipe.connector.fresh_projection else ()
    fresh = fill(connector, "connector.", filling, leave)
    _check_used(recipe, connector, fresh, filling)
    notes.append(connector_note(connector, fresh, filling))
    if config.qformer is not None:
        notes.extend(_fill_norm(vision, filling))
    if language is None:
        connector.eval()
        return Assembly(None, vision, connector, None, image_processor, filling.tokenizer, notes, None, seed, filling)
    if filling.world and isinstance(connector, QFormerConnector) and "projection.weight" in fresh:
        start_projection(connector.projection, language.model.model.get_input_embeddings().weight, seed)
    model, processor = _joined(recipe, vision, connector, language, config, image_processor, filling)
    return Assembly(model, vision, connector, processor, image_processor, filling.tokenizer, notes, None, seed, filling)


def _from_checkpoint(name: str, sources: Sources, seed: int) -> Assembly:
    opened = sources[name]
    if opened.is_stage1:
        raise RecipeError(
            f"model.from is {name!r}, a first stage without a language model; name it as model.vision.from and "
            "model.connector.from, and a language model as model.language.from."
        )
    model, processor = opened.whole
    # A hub name stays one; the folder of a run is its final model.
    base = str(opened.folder) if Path(name).expanduser().is_dir() else name
    return Assembly(
        model,
        model.vision,
        model.connector,
        processor,
        processor.image_processor,
        processor.qformer_tokenizer,
        [f"the whole model from {name}"],
        base,
        seed,
    )


def _connector(config: ConnectorConfig, vision: VisionEncoder, language: LanguagePart | None, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if language is not None:
            from vistune.model.config import language_width

            return build_connector(config, vision.config.feature_size, language_width(language.model.config))
        if config.qformer is None:
            raise RecipeError(
                f"The recipe's model has a {config.type} connector but no language model; name one as model.language."
            )
        return QueryReader(config.qformer)


def _joined(
    recipe: Model,
    vision: VisionEncoder,
    connector: nn.Module,
    language: LanguagePart,
    config: ConnectorConfig,
    image_processor: Any,
    filling: Filling,
) -> tuple[VisionLanguageModel, Processor]:
    """The parts behind one face, and their processor."""
    from vistune.train.run.model.sources import checkpoint_folder

    tokenizer = language.tokenizer
    name = recipe.language.from_ if recipe.language is not None else ""
    world = name.startswith("world:")
    token = "<image>" if world else image_token_of(tokenizer, checkpoint_folder(name))
    whole = ModelConfig(
        vision=vision.config,
        connector=config,
        language=language.model.config,
        image_token_id=int(tokenizer.convert_tokens_to_ids(token)),
        image_first=recipe.in_front,
    )
    model = build_empty(whole)
    model.vision, model.connector, model.language = vision, connector, language.model
    model.generation_config = language.generation_config
    qformer = config.qformer
    processor = Processor(
        tokenizer,
        image_processor,
        image_token_id=whole.image_token_id,
        num_image_tokens=whole.num_image_tokens,
        image_first=whole.image_first,
        encoder_decoder=bool(whole.language.is_encoder_decoder),
        qformer_tokenizer=filling.tokenizer if qformer is not None and qformer.text_input else None,
        max_instruction_tokens=512 if qformer is None else qformer.max_position_embeddings,
        image_token=token,
        chat_template=CHAT_TEMPLATE if world and not whole.image_first else None,
    )
    return model.eval(), processor


def _fill_norm(vision: VisionEncoder, filling: Filling) -> list[str]:
    """The encoder's last norm as the Q-Former's source trained it."""
    norm = getattr(vision.backbone, "post_layernorm", None)
    if norm is None or vision.config.feature_layer is not None or NORM + "weight" not in filling.tensors:
        return []
    fill(norm, NORM, filling)
    return [f"the encoder's last norm from {filling.origin[NORM + 'weight']}"]


def _check_used(recipe: Model, connector: nn.Module, fresh: list[str], filling: Filling) -> None:
    """A source of which nothing was taken is a mistake that would train from scratch in silence."""
    if recipe.connector is None:
        return
    names = {f"connector.{name}" for name in connector.state_dict() if name not in fresh}
    useless = unused_sources(recipe.connector, filling, names)
    if useless:
        raise RecipeError(
            f"model.connector.from names {', '.join(useless)}, of which a {recipe.connector.type} connector with these "
            "settings takes nothing that a later source does not replace; leave it out, or correct type and sizes."
        )
