"""Learning rate over the steps: linear warm-up, then a cosine, a line or nothing (InstructBLIP section 2.5)."""

from __future__ import annotations

import math

from vistune.train.recipe.stage import Stage


def rate_factor(stage: Stage, step: int, steps: int) -> float:
    """What the peak learning rates are multiplied with at ``step`` (0 .. steps - 1).

    The warm-up begins at ``warmup_start`` and reaches 1 at step ``warmup_steps``; what follows would reach ``final``
    one step after the last. LAVIS and transformers warm up the same way; LAVIS' cosine moves once an epoch only.
    """
    warmup = warmup_steps(stage, steps)
    if step < warmup:
        return stage.warmup_start + (1 - stage.warmup_start) * step / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    left = {"cosine": (1 + math.cos(math.pi * progress)) / 2, "linear": 1 - progress, "constant": 1.0}[stage.schedule]
    return stage.final + (1 - stage.final) * left


def warmup_steps(stage: Stage, steps: int) -> int:
    """Length of the warm-up; a share of the steps is rounded up, as in transformers."""
    return stage.warmup_steps or math.ceil((stage.warmup_ratio or 0.0) * steps)


def num_steps(stage: Stage, num_samples: int) -> int:
    """Length of a stage: its steps, or its epochs of so many samples, the last step full."""
    return stage.steps or max(1, math.ceil((stage.epochs or 0.0) * num_samples / stage.batch_size))
