"""A model spread over the processes of a run: copied (DDP), sharded (FSDP2), or there is one process only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_, get_total_norm

from vistune.train.parallel.processes import Kind, Processes, telling_of_lost_processes
from vistune.train.parallel.sharding import shard, whole


class Spread:
    """A model on one process. Losses are divided by counts of the global batch, so gradients are sums over processes.

    Attributes:
        module: what forward is called on. What learns must be called inside of it, or by its own methods.
    """

    kind: Kind = "none"

    def __init__(self, module: nn.Module, trained: Iterable[nn.Parameter], processes: Processes) -> None:
        self.module = module
        self.processes = processes
        self._trained: Sequence[nn.Parameter] = list(trained)

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add the gradients of a micro-batch.

        Args:
            last: of the step. Gradients are those of all processes after it, and of an unknown part before.

        Raises:
            TrainingError: another process is gone.
        """
        loss.backward()

    def clip(self, limit: float | None) -> float:
        """Scale gradients down to a global norm of at most ``limit``. -> the norm before"""
        norm = clip_grad_norm_(self._trained, math.inf if limit is None else limit)
        return float(norm)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """The model with all its weights on every process, to generate and measure with; it must not learn inside."""
        yield self.module


class Copied(Spread):
    """Every process has the whole model; gradients are added while the backward pass goes on.

    torch's DistributedDataParallel does the adding, without its forward: that would have to know which micro-batch is
    the last before its loss is known, and a stage's loss may come from several calls of the model.
    """

    kind = "ddp"

    def __init__(self, module: nn.Module, trained: Iterable[nn.Parameter], processes: Processes) -> None:
        super().__init__(module, trained, processes)
        with telling_of_lost_processes():
            self._ddp = nn.parallel.DistributedDataParallel(
                module,
                process_group=processes.group,
                # A micro-batch without pictures does not use the connector, and an other process's does.
                find_unused_parameters=True,
                gradient_as_bucket_view=True,
            )
        # torch compares annotations with its classes, and those of this file are strings; a lambda has none.
        self._ddp.register_comm_hook(processes.group, lambda group, bucket: _add(group, bucket))

    def backward(self, loss: Tensor, last: bool) -> None:
        """See Spread."""
        if last:
            # What DDP's forward does before and after the model's.
            self._ddp.reducer.prepare_for_forward()
            self._ddp.reducer._rebuild_buckets()
            self._ddp.reducer.prepare_for_backward([loss])
        with telling_of_lost_processes():
            loss.backward()


class Sharded(Spread):
    """Every process holds a slice of each weight; a layer is put together when its turn comes, and freed again.

    Gradients are added and sliced after every micro-batch, which costs communication and saves a whole copy of them.
    """

    kind = "fsdp"

    def __init__(
        self,
        module: nn.Module,
        trained: Iterable[nn.Parameter],
        processes: Processes,
        group: dist.ProcessGroup,
        compute: torch.dtype,
    ) -> None:
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        wanted = [names[id(parameter)] for parameter in trained]
        self._compute = compute
        self._sharded = shard(module, group, processes, compute)
        now = dict(module.named_parameters())
        super().__init__(module, [now[name] for name in wanted], processes)
        self._slices = [parameter for parameter in self._trained if isinstance(parameter, DTensor)]
        self._kept = [parameter for parameter in self._trained if not isinstance(parameter, DTensor)]

    def backward(self, loss: Tensor, last: bool) -> None:
        """See Spread."""
        self._sharded.set_is_last_backward(last)
        with telling_of_lost_processes():
            loss.backward()
        if last:
            self.processes.add_gradients(self._kept)

    def clip(self, limit: float | None) -> float:
        """See Spread."""
        slices: Any = get_total_norm([p.grad for p in self._slices if p.grad is not None])
        kept = get_total_norm([p.grad for p in self._kept if p.grad is not None])
        norm = torch.hypot(slices.full_tensor(), kept.to(slices.device))
        for parameters in (self._slices, self._kept):
            clip_grads_with_norm_(parameters, math.inf if limit is None else limit, norm)
        return float(norm)

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """See Spread. Takes as much memory as the model does; layers compute in the run's precision."""
        with telling_of_lost_processes(), whole(self._sharded), self._autocast(), torch.no_grad():
            yield self.module

    def _autocast(self) -> torch.autocast:
        enabled = self._compute != torch.float32
        return torch.autocast(self.processes.device.type, dtype=self._compute if enabled else None, enabled=enabled)


def spread(
    model: nn.Module,
    trained: Iterable[nn.Parameter],
    kind: Kind,
    processes: Processes,
    compute: torch.dtype = torch.float32,
) -> Spread:
    """Spread a model that is ready to train (adapters on, frozen parts frozen) and stands on the process's device.

    Build the optimiser afterwards, from ``model.parameters()``: sharding replaces them.

    Args:
        trained: parameters that learn. compute: with "fsdp", what layers are sent and computed in; weights, gradients
            and sums over processes stay float32.

    Raises:
        RecipeError: the model cannot be sharded. TrainingError: another process is gone.
    """
    if processes.group is None:
        return Spread(model, trained, processes)
    if kind == "fsdp":
        return Sharded(model, trained, processes, processes.group, compute)
    return Copied(model, trained, processes)


def _add(group: Any, bucket: Any) -> torch.futures.Future[Tensor]:
    """Sum, where DDP's own would be the mean."""
    work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    if work is None:
        raise ValueError("torch.distributed gave no handle for an asynchronous sum.")
    return work.get_future().then(lambda future: future.value()[0])
