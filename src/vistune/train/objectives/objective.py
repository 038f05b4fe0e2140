"""What every objective gives back: the losses of a step, as sums that can be added over processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from vistune.model.losses import LossPart

if TYPE_CHECKING:
    from vistune.train.parallel.wrap import Spread
    from vistune.train.step_data import StepData


@dataclass(frozen=True)
class StepLosses:
    """Losses of this process's share, detached.

    Args:
        parts: by name; the loss is the sum of their means over the global batch.
        sets: sums and counts [S] by data set, for the log; None: not known.
        samples: mean loss of each sample [n], in the order of ``StepData.ids``; None: not known.
    """

    parts: dict[str, LossPart]
    sets: LossPart | None = None
    samples: Tensor | None = None


class Objective(Protocol):
    """Adds the gradients of a step to the parameters."""

    def __call__(self, spread: Spread, data: StepData, step: int, scale: float = 1.0) -> StepLosses:
        """Forward and backward of all micro-batches.

        Args:
            spread: the model. step: counted from 0. scale: what losses are multiplied with before the backward.
        """
