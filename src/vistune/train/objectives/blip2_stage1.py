"""A step of BLIP-2's first stage: ITC + ITM + ITG with weight 1 each (LAVIS blip2_qformer.py).

The loss is ``sum(itc)/G + sum(itm)/3G + sum(itg)/T`` over the G pairs and T learned tokens of the global batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vistune.data.pairs import PairBatch
from vistune.model.contrast import uniform_draws
from vistune.model.exchange import Alone, Exchange
from vistune.model.losses import LossPart
from vistune.model.stage1 import Gather, Stage1Model


class Backward(Protocol):
    """Differentiates a loss; ``last``: there is no other call in this step."""

    def __call__(self, loss: Tensor, last: bool) -> None:
        """Add to the parameters' gradients."""
        ...


class MakeContext(Protocol):
    """Makes the autocast context of a forward."""

    def __call__(self) -> AbstractContextManager[Any]:
        """A new one."""
        ...


def plain_backward(loss: Tensor, last: bool) -> None:
    """Backward of a process that is alone."""
    loss.backward()


@dataclass(frozen=True)
class Stage1Objective:
    """Losses and gradients of a step.

    Each process holds a slice of the global batch, all of the same size, in order of ranks. Its gradients are those of
    its share: their sum over the processes (not the mean that DDP makes) is the gradient of the loss. Losses, negatives
    and gradients are then those of one process with the whole batch, in any number of micro-batches.

    Args:
        seed: of the negatives, with the step and the place in the global batch.
        smoothing: of labels, in contrast and captions. gather: see ``Stage1Model.forward``.
        exchange: with the other processes. norm: what features that were cached before the encoder's last norm go
            through. precision: makes the autocast context of every forward.
    """

    seed: int
    smoothing: float = 0.1
    gather: Gather = "full"
    exchange: Exchange | None = None
    norm: nn.Module | None = None
    precision: MakeContext = nullcontext

    @property
    def others(self) -> Exchange:
        """The exchange, with nobody if there is none."""
        return Alone() if self.exchange is None else self.exchange

    def __call__(
        self,
        model: Stage1Model,
        batches: Sequence[PairBatch],
        step: int,
        backward: Backward = plain_backward,
        scale: float = 1.0,
    ) -> dict[str, LossPart]:
        """Add this process's gradients to the parameters' ``grad``.

        Args:
            batches: this process's share of the step, in as many pieces as memory wants.
            backward: called with what is to be differentiated, once or several times.
            scale: the loss is multiplied by it before the backward, as float16 needs.

        Returns:
            "itc", "itm", "itg" of this process's share, detached; the means are sums over sums
        """
        from vistune.train.objectives.accumulation import Accumulation

        if len(batches) > 1:
            return Accumulation(self, model, batches, step).run(backward, scale)
        parts = self._whole(model, batches[0], step)
        counts = global_counts(parts, self.others)
        total = torch.stack([(part.sum / counts[name]).float() for name, part in parts.items()]).sum()
        backward(total * scale, last=True)
        return {name: LossPart(part.sum.detach(), part.count) for name, part in parts.items()}

    def encode(self, model: Stage1Model, batch: PairBatch) -> Tensor:
        """Features [b, P, D] of a batch's pictures."""
        if batch.image_features is None:
            if batch.pixel_values is None:
                raise ValueError("The first stage learns from images; pass pixel_values or image_features.")
            return model.encode_images(batch.pixel_values)
        features: Tensor = batch.image_features if self.norm is None else self.norm(batch.image_features.float())
        return features

    def _whole(self, model: Stage1Model, batch: PairBatch, step: int) -> dict[str, LossPart]:
        inputs = batch.model_inputs()
        with self.precision():
            if batch.image_features is not None:
                inputs["image_features"] = self.encode(model, batch)
            parts: dict[str, LossPart] = model(
                **inputs,
                uniform=uniform_draws(self.seed, step, self.others.size * len(batch)),
                exchange=self.others,
                gather=self.gather,
                smoothing=self.smoothing,
            )
        return parts


def global_counts(parts: dict[str, LossPart], others: Exchange) -> dict[str, Tensor]:
    """What each loss is a mean of, over all processes; a collective."""
    counts = others.gather(torch.stack([part.count for part in parts.values()])[None]).sum(0)
    return dict(zip(parts, counts.unbind(), strict=True))
