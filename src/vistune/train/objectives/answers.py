"""Language modelling of answers: loss = sum over learned tokens / their number in the global batch.

The one division is by the tokens of all micro-batches and processes, so that neither changes the loss or its gradients.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.model.losses import LossPart
from vistune.model.vlm import VLMOutput
from vistune.train.objectives.objective import StepLosses
from vistune.train.parallel.processes import Processes
from vistune.train.precision import MakeContext
from vistune.train.step_data import StepData

if TYPE_CHECKING:
    from vistune.train.parallel.wrap import Spread


@dataclass(frozen=True)
class AnswersObjective:
    """The loss "loss", and its parts by data set.

    Args:
        num_sets: data sets of the mixture.
        precision: makes the autocast context of every forward.
        before_norm: cached features are those from before the encoder's last norm, which may train.
    """

    num_sets: int
    precision: MakeContext = nullcontext
    before_norm: bool = False

    def __call__(self, spread: Spread, data: StepData, step: int, scale: float = 1.0) -> StepLosses:
        """Forward and backward of all micro-batches."""
        processes = spread.processes
        total = global_count(data.num_learned, processes)
        count = processes.most(len(data.batches))
        tally = _Tally(data, self.num_sets, processes.device)
        for number, (batch, learned) in enumerate(data.answer_batches(count)):
            with self.precision():
                output = spread.module(**batch.to(processes.device).model_inputs(), before_norm=self.before_norm)
                part = output.loss_sum / total
            spread.backward(part * scale, last=number == count - 1)
            tally.add(output, learned)
        return tally.losses()


def global_count(own: int, processes: Processes) -> Tensor | float:
    """The number over all processes, 1 at least; not looked at, so that a GPU need not be waited for."""
    if processes.size == 1:
        return float(max(1, own))
    return processes.sum(torch.tensor(float(own), device=processes.device)).clamp_min(1)


class _Tally:
    """Sums and counts of a step, kept where they are computed."""

    def __init__(self, data: StepData, num_sets: int, device: torch.device) -> None:
        self._sum = torch.zeros((), device=device)
        self._sums = torch.zeros(len(data.draws), device=device)
        self._counts = torch.zeros(len(data.draws), device=device)
        self._sets = torch.tensor([draw.set for draw in data.draws], device=device)
        self._num_sets = num_sets
        self._num_learned = data.num_learned

    def add(self, output: VLMOutput, learned: Tensor) -> None:
        """Losses of a micro-batch; ``learned`` [n] says which sample each token is of."""
        if output.loss_sum is None or output.token_losses is None:
            raise ValueError("The model was called without labels; there is nothing to learn.")
        self._sum += output.loss_sum.detach()
        places = learned.to(self._sums.device, non_blocking=learned.is_pinned())
        self._sums.index_add_(0, places, output.token_losses)
        self._counts.index_add_(0, places, torch.ones_like(output.token_losses))

    def losses(self) -> StepLosses:
        """Of all micro-batches."""
        empty = self._sums.new_zeros(self._num_sets)
        sets = LossPart(empty.index_add(0, self._sets, self._sums), empty.index_add(0, self._sets, self._counts))
        whole = LossPart(self._sum, torch.full_like(self._sum, self._num_learned))
        return StepLosses({"loss": whole}, sets, self._sums / self._counts.clamp_min(1))
