"""Activation checkpointing: a layer keeps its input only and is computed again in the backward (arXiv 1604.06174).

transformers' own switch does nothing in eval mode, which is where frozen parts are (no dropout); yet gradients flow
through a frozen language model to the connector, and its activations are what fills the memory. So this one asks
whether a gradient is wanted, not what mode a layer is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from vistune.errors import RecipeError
from vistune.model.qformer import QFormerLayer

Recomputed = Literal["vision", "qformer", "language"]


def recompute_activations(model: nn.Module, parts: Sequence[Recomputed]) -> int:
    """Let every layer of the parts be computed again in the backward; once is as good as twice.

    Losses and gradients stay the same, dropout included: the random state is put back for the second time.

    Args:
        model: VisionLanguageModel or Stage1Model.

    Returns:
        number of layers

    Raises:
        RecipeError: the model has no such part, or the part no layers of its own (nothing that repeats).
    """
    return sum(_recompute(part, _part(model, part)) for part in parts)


def keep_activations(model: nn.Module) -> None:
    """Undo :func:`recompute_activations` for all parts."""
    for layer in model.modules():
        if isinstance(vars(layer).get("forward"), _Recomputed):
            del layer.forward


class _Recomputed:
    """A layer's forward; stands in the layer's place of it, so that hooks (such as FSDP's) are run once."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        # A cache would be written a second time.
        if torch.is_grad_enabled() and named.get("past_key_values") is None:
            return checkpoint(self._forward, *inputs, use_reentrant=False, **named)
        return self._forward(*inputs, **named)


def _recompute(part: str, module: nn.Module) -> int:
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [layer for layer in module.modules() if isinstance(layer, GradientCheckpointingLayer | QFormerLayer)]
    if not layers:
        raise RecipeError(
            f"The part {part!r} ({type(module).__name__}) has no layers whose activations can be computed again; leave "
            "it out of checkpoint_activations."
        )
    for layer in layers:
        if not isinstance(vars(layer).get("forward"), _Recomputed):
            layer.forward = _Recomputed(layer.forward)  # type: ignore[method-assign]
    return len(layers)


def _part(model: nn.Module, part: str) -> nn.Module:
    place = "connector.qformer" if part == "qformer" else part
    try:
        return model.get_submodule(place)
    except AttributeError as error:
        raise RecipeError(
            f"checkpoint_activations names {part!r}, which this model does not have; leave it out."
        ) from error
