"""Optimiser and schedule that all pretraining shares: AdamW, linear warm-up, cosine to a tenth of nothing."""

from __future__ import annotations

import math

import torch
from torch import nn


def make_optimizer(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with decay on matrices of linear layers only (not on embeddings, biases, norms)."""
    embeddings = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Embedding)}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in parameters if parameter.ndim == 2 and id(parameter) not in embeddings]
    others = [parameter for parameter in parameters if parameter.ndim != 2 or id(parameter) in embeddings]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), eps=1e-8)


def set_learning_rate(
    optimizer: torch.optim.Optimizer, step: int, steps: int, peak: float, warmup_steps: int, floor: float = 0.02
) -> None:
    """Learning rate of step `step` (from 0): linear up to `peak`, then a cosine down to `floor` times it."""
    if step < warmup_steps:
        rate = peak * (step + 1) / warmup_steps
    else:
        done = (step - warmup_steps) / max(1, steps - warmup_steps)
        rate = peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
    for group in optimizer.param_groups:
        group["lr"] = rate
