"""Learning rate over the steps: linear warm-up, then a cosine (InstructBLIP section 2.5)."""

from __future__ import annotations

import math

from vistune.train.config import StageConfig


def rate_factor(stage: StageConfig, step: int) -> float:
    """What the peak learning rates are multiplied with at ``step`` (0 .. steps - 1).

    The warm-up reaches 1 at step ``warmup_steps``; the cosine would reach ``final`` one step after the last.
    """
    if step < stage.warmup_steps:
        return stage.warmup_start + (1 - stage.warmup_start) * (step + 1) / (stage.warmup_steps + 1)
    progress = (step - stage.warmup_steps) / max(1, stage.steps - stage.warmup_steps)
    return stage.final + (1 - stage.final) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
