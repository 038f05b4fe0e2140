"""The language model of a recipe, with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vistune.checkpoint.special_ids import repair_generation_config, repair_language_config, report
from vistune.checkpoint.tokenizers import load_tokenizer
from vistune.errors import CheckpointError
from vistune.model.attention import use_attention
from vistune.model.language import LanguageModel
from vistune.train.run.model.sources import Opened

if TYPE_CHECKING:
    from vistune.train.recipe.parts import Language


@dataclass(frozen=True)
class LanguagePart:
    """A language model with its weights as they are stored, its tokenizer and generation config."""

    model: LanguageModel
    tokenizer: Any
    generation_config: Any


def build_language(recipe: Language, opened: Opened) -> LanguagePart:
    """The language model of a whole checkpoint, or one by itself as transformers loads it.

    Raises:
        CheckpointError: the source holds no language model, or another one than the recipe takes it for.
    """
    if opened.is_whole:
        model, processor = opened.whole
        _check_activation(recipe, model.language.config, opened)
        return LanguagePart(model.language, processor.tokenizer, model.generation_config)
    from transformers import GenerationConfig

    theirs = _load(recipe, opened)
    tokenizer = load_tokenizer(opened.folder)
    repairs = repair_language_config(theirs.config, tokenizer)
    generation = theirs.generation_config or GenerationConfig.from_model_config(theirs.config)
    repairs.update(repair_generation_config(generation, tokenizer))
    report(repairs, opened.name)
    return LanguagePart(_wrapped(theirs), tokenizer, generation)


def _check_activation(recipe: Language, config: Any, opened: Opened) -> None:
    """A whole checkpoint has the activation that it was trained with."""
    wanted, there = recipe.t5_activation, getattr(config, "dense_act_fn", None)
    if wanted not in (None, there):
        raise CheckpointError(
            f"model.language.t5_activation is {wanted!r}, but the language model of {opened.name!r} has "
            f"{'none' if there is None else repr(there)}; leave t5_activation out."
        )


def _load(recipe: Language, opened: Opened) -> Any:
    """transformers' model: causal, or an encoder-decoder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    # The packaged one is stored in half the bits that it was made with, to be small.
    dtype: Any = torch.float32 if opened.world else "auto"
    try:
        config = AutoConfig.from_pretrained(opened.folder)
        if recipe.t5_activation is not None and config.model_type == "t5":
            config.dense_act_fn = recipe.t5_activation
        _check_activation(recipe, config, opened)
        auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        return auto.from_pretrained(opened.folder, config=config, dtype=dtype)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise CheckpointError(
            f"{opened.name!r} holds no language model that can be loaded ({opened.kind or 'no config.json'}: {reason}"
            "); give a causal language model or an encoder-decoder as transformers saves it, or a whole checkpoint."
        ) from error


def _wrapped(theirs: Any) -> LanguageModel:
    """Behind our face, without making its weights a second time."""
    import torch
    from transformers.initialization import no_init_weights

    with torch.device("meta"), no_init_weights():
        language = LanguageModel(theirs.config)
    use_attention(theirs)
    language.model = theirs
    return language
