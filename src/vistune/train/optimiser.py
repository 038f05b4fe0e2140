"""AdamW over the parts that train, each with its own learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vistune.train.parts import Named
from vistune.train.recipe.parts import Part
from vistune.train.recipe.stage import Stage
from vistune.train.schedule import rate_factor


def build_optimiser(stage: Stage, trained: Mapping[Part, Named]) -> torch.optim.AdamW:
    """One or two parameter groups a part: with weight decay, and without (biases and one-dimensional parameters)."""
    groups: list[dict[str, Any]] = []
    for part, named in trained.items():
        for decayed in (True, False):
            parameters = [parameter for name, parameter in named if is_decayed(name, parameter.ndim) is decayed]
            if parameters:
                peak = stage.train[part]
                decay = stage.weight_decay if decayed else 0.0
                groups.append({"params": parameters, "peak": peak, "lr": peak, "weight_decay": decay, "part": part})
    return torch.optim.AdamW(groups, betas=stage.betas, eps=stage.eps, fused=True)


def is_decayed(name: str, ndim: int) -> bool:
    """Whether weight decay applies (LAVIS get_optimizer_params; query tokens are decayed there too)."""
    return ndim > 1 and not name.endswith("bias")


def set_rates(optimiser: torch.optim.Optimizer, stage: Stage, step: int, steps: int) -> dict[str, float]:
    """Set every group's learning rate for this step and return the rates by part."""
    factor = rate_factor(stage, step, steps)
    rates: dict[str, float] = {}
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor
        rates[group["part"]] = group["lr"]
    return rates
