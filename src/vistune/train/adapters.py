"""What a stage's ``lora`` and ``quantise`` say, done to a model."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from vistune.errors import RecipeError
from vistune.model.lora import PLACES, LoraPart, LoraSettings, add_lora
from vistune.model.quantise import quantise
from vistune.train.parts import Model
from vistune.train.recipe.stage import Stage


def apply_lora(model: Model, stage: Stage, seed: int) -> list[str]:
    """Put the stage's adapters on its parts; nothing where it names none.

    Args:
        seed: of their random start.

    Returns:
        names of the new parameters

    Raises:
        RecipeError: a part or a layer that the model does not have, or peft is not installed.
    """
    settings = {
        part: LoraSettings(chosen.r, chosen.alpha, chosen.dropout, chosen.targets)
        for part, chosen in zip(_parts(stage.lora), stage.lora.values(), strict=True)
    }
    return add_lora(model, settings, seed) if settings else []


def quantise_parts(model: Model, stage: Stage, compute: torch.dtype | None = None) -> list[str]:
    """Store the parts in few bits that the stage says; before :func:`apply_lora`.

    Args:
        compute: dtype of their products; None: that of the weights.

    Returns:
        names of the layers

    Raises:
        RecipeError: a part that the model does not have, or nothing in it that fits. InputError: bitsandbytes is not
            installed.
    """
    names: list[str] = []
    for part, kind in zip(_parts(stage.quantise), stage.quantise.values(), strict=True):
        names += [f"{PLACES[part]}.{name}" for name in quantise(model, part, kind, compute)]
    return names


def _parts(named: Iterable[str]) -> list[LoraPart]:
    places: dict[str, LoraPart] = {part: part for part in PLACES}
    parts = list(named)
    for part in parts:
        if part not in places:
            raise RecipeError(f"Only {', '.join(places)} take adapters or few bits, not {part!r}; leave it out.")
    return [places[part] for part in parts]
