"""A model made ready for a stage: what trains, in what precision, with what is computed again or compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import nn

from vistune.errors import RecipeError
from vistune.model.qformer import QFormerLayer
from vistune.model.recompute import keep_activations, recompute_activations
from vistune.model.vlm import VisionLanguageModel
from vistune.train.parts import Model, Named, select_parts
from vistune.train.precision import cast_frozen, frozen_dtype
from vistune.train.recipe.parts import Part
from vistune.train.recipe.stage import Stage

# Settings that a stage may go on with when they were changed: they move neither weights nor samples.
_FREE = {"save_every", "keep", "evaluate", "compile", "checkpoint_activations", "micro_batch_size", "features"}


def prepare_model(model: Model, stage: Stage, device: torch.device) -> dict[Part, Named]:
    """Select what trains, cast what does not, and set up recomputing and compiling; after adapters were put on and
    weights quantised, before the model is spread over processes.

    Returns:
        what trains, by part

    Raises:
        RecipeError: the model has not what the stage trains, or nothing to compute again.
    """
    trained = select_parts(model, stage.train)
    for named in trained.values():
        for _, parameter in named:
            parameter.data = parameter.data.float()
    cast_frozen(model, frozen_dtype(stage.frozen_dtype, stage.precision, device))
    keep_activations(model)
    if stage.checkpoint_activations:
        recompute_activations(model, stage.checkpoint_activations)
    if stage.compile:
        compile_layers(model)
    model.to(device)
    return trained


def compile_layers(model: nn.Module) -> int:
    """torch.compile for every layer that repeats: equal ones are compiled once, and what is irregular stays outside.

    Returns:
        number of layers
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer | QFormerLayer)]
    for layer in layers:
        # Lengths differ from batch to batch.
        layer.compile(dynamic=True)
    return len(layers)


def check_packing(model: Model, max_tokens: int | None) -> None:
    """Refuse packed rows where the language model would mix the samples of a row.

    Raises:
        RecipeError: with the reason.
    """
    if max_tokens is None or not isinstance(model, VisionLanguageModel):
        return
    problem = model.language.packing_problem
    if problem is not None:
        raise RecipeError(f"The language model {problem}, so its rows cannot be packed; leave out max_tokens.")


def check_features(before_norm: Iterable[bool], stage: Stage) -> bool:
    """Whether cached features are those before the encoder's last norm, so that it may learn.

    Args:
        before_norm: of every cache of features (not of pixels) that the stage reads.

    Raises:
        RecipeError: some are and some are not, or what trains changes the features.
    """
    kinds = set(before_norm)
    if len(kinds) > 1:
        raise RecipeError(
            "Some cached features are from before the encoder's last norm, some from after; encode all alike."
        )
    if kinds and "vision" in stage.train:
        raise RecipeError(
            "The stage trains 'vision' on cached features, which do not change with it; leave out the cache."
        )
    if kinds == {False} and "ln_vision" in stage.train:
        raise RecipeError("The stage trains 'ln_vision' on features cached after it; cache them with before_norm=True.")
    return kinds == {True}


def settings_fingerprint(stage: Stage, steps: int, seed: int) -> str:
    """Hash of the settings that weights depend on, for `Checkpoints`."""
    content = stage.model_dump_json(exclude=_FREE | {"data", "steps", "epochs"})
    return hashlib.blake2b(f"{content} {steps} {seed}".encode(), digest_size=16).hexdigest()
