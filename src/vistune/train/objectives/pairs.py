"""BLIP-2's first stage as the loop calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from vistune.model.stage1 import Stage1Model
from vistune.train.objectives.blip2_stage1 import Stage1Objective
from vistune.train.objectives.objective import StepLosses
from vistune.train.step_data import StepData

if TYPE_CHECKING:
    from vistune.train.parallel.wrap import Spread


@dataclass(frozen=True)
class PairsObjective:
    """Contrast, matching and captions of the pairs of a step; see `Stage1Objective`."""

    stage1: Stage1Objective

    def __call__(self, spread: Spread, data: StepData, step: int, scale: float = 1.0) -> StepLosses:
        """Forward and backward of all micro-batches."""
        batches = [batch.to(spread.processes.device) for batch in data.pair_batches()]
        return StepLosses(self.stage1(cast(Stage1Model, spread.module), batches, step, spread.backward, scale))
