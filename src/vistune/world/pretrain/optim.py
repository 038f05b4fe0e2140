"""Optimisers and schedule of the pretraining: Muon for matrices, AdamW for the rest, linear warm-up and a cosine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vistune.world.pretrain.settings import LanguageSettings, VisionSettings

Log = Callable[[dict[str, float]], None]
_LOG_EVERY = 50


class Optimizers:
    """Muon (torch.optim.Muon, its update scaled to AdamW's size) for the matrices inside `body`, AdamW for the others.

    With AdamW alone the language model was still guessing spatial statements after 5,000 steps; with Muon, and with
    questions that have the relation itself as their answer, it knew them after 1,500 to 2,000. The two changes came
    together, so how much each one does is not known.
    """

    def __init__(self, model: nn.Module, body: nn.Module, learning_rate: float, weight_decay: float) -> None:
        layers = [layer for layer in body.modules() if isinstance(layer, nn.Linear)]
        matrices = {id(layer.weight): layer.weight for layer in layers}
        others = [parameter for parameter in model.parameters() if id(parameter) not in matrices]
        self._peak = learning_rate
        self._all: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                list(matrices.values()), lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]

    def step(self, factor: float) -> None:
        """One step at `factor` times the peak learning rate; clears the gradients."""
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = self._peak * factor
            optimizer.step()
            optimizer.zero_grad()


class Updates:
    """Turns the loss of step after step into updates; `log` gets the mean loss and the seconds every 50 steps.

    Args:
        optimizers: of everything that trains. clipped: whose gradient's norm is kept at 1 at most.
    """

    def __init__(
        self, optimizers: Optimizers, clipped: nn.Module, settings: LanguageSettings | VisionSettings, log: Log
    ) -> None:
        self._optimizers = optimizers
        self._clipped = clipped
        self._settings = settings
        self._log = log
        self._losses: list[Tensor] = []
        self._started = time.time()

    def apply(self, loss: Tensor) -> None:
        """Backward, clip, step."""
        loss.backward()
        nn.utils.clip_grad_norm_(self._clipped.parameters(), 1.0)
        done = len(self._losses)
        self._optimizers.step(schedule(done, self._settings.steps, self._settings.warmup_steps))
        self._losses.append(loss.detach())
        if (done + 1) % _LOG_EVERY == 0:
            mean = float(torch.stack(self._losses[-_LOG_EVERY:]).mean())
            self._log({"step": done + 1, "loss": round(mean, 4), "seconds": round(time.time() - self._started, 1)})


def schedule(step: int, steps: int, warmup_steps: int, floor: float = 0.02) -> float:
    """Factor on the peak learning rate at step `step` (from 0): linear up to 1, then a cosine down to `floor`."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
