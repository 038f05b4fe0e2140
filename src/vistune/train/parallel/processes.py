"""The processes of a run, and what they tell each other (torchrun's environment, torch.distributed underneath)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vistune.errors import RecipeError, TrainingError
from vistune.train.parallel.exchanged import Gather, buckets

Kind = Literal["none", "ddp", "fsdp"]

# A rank that hangs (a dead network, a file system that does not answer) ends the run after this, with a message.
TIMEOUT = timedelta(minutes=30)

P = ParamSpec("P")
T = TypeVar("T")


def _told(function: Callable[P, T]) -> Callable[P, T]:
    """A collective that fails because another process is gone says so in one sentence."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with telling_of_lost_processes():
            return function(*args, **kwargs)

    return call


class Processes:
    """Who this process is, and collectives: all processes call them, in the same order. An exchange in the sense of
    vistune.model.stage1.Exchange.

    Args:
        group: of torch.distributed; None: this process is alone, and every method works without it.
        device: where this process computes.

    Attributes:
        rank, size: which process of how many. is_main: the one that writes and prints.
    """

    def __init__(self, group: dist.ProcessGroup | None, device: torch.device) -> None:
        self.group = group
        self.device = device
        self.rank = 0 if group is None else dist.get_rank(group)
        self.size = 1 if group is None else dist.get_world_size(group)

    @classmethod
    def alone(cls, device: torch.device | str = "cpu") -> Processes:
        """A run of one process."""
        return cls(None, torch.device(device))

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    @_told
    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all processes, rank by rank: [b, ...] -> [size * b, ...], b the same everywhere.

        Gradients add up over the processes and go back to whoever the rows came from, as if one process had computed
        all.
        """
        if self.group is None:
            return rows
        output: Tensor = Gather.apply(rows, self.group)
        return output

    @_told
    def most(self, value: int) -> int:
        """The largest value of all processes. Does not wait for a GPU: the number is in ordinary memory."""
        if self.group is None:
            return value
        number = torch.tensor(value)
        dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self.group)
        return int(number)

    @_told
    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes, without gradients."""
        total = values.detach().clone()
        if self.group is not None:
            dist.all_reduce(total, group=self.group)
        return total

    @_told
    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients become their sums over the processes; a parameter that only some have used gets theirs."""
        if self.group is None:
            return
        wanted = [parameter for parameter in parameters if parameter.requires_grad]
        used = torch.tensor([parameter.grad is not None for parameter in wanted], dtype=torch.int32)
        dist.all_reduce(used, group=self.group)
        for bucket in buckets([p for p, count in zip(wanted, used.tolist(), strict=True) if count]):
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
            flat = torch.cat([grad.flatten() for grad in grads])
            dist.all_reduce(flat, group=self.group)
            parts = flat.split([grad.numel() for grad in grads])
            for parameter, grad, part in zip(bucket, grads, parts, strict=True):
                parameter.grad = grad.copy_(part.view_as(grad))

    @_told
    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.group is not None:
            dist.barrier(self.group)

    @_told
    def broadcast(self, value: T) -> T:
        """What rank 0 passes, everywhere; anything that can be pickled."""
        if self.group is None:
            return value
        box = [value]
        dist.broadcast_object_list(box, group=self.group, group_src=0, device=torch.device("cpu"))
        return box[0]

    @_told
    def collect(self, value: T) -> list[T]:
        """What each process passes, in order of ranks; anything that can be pickled."""
        if self.group is None:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return values


def start(kind: Kind, device: torch.device | str | None = None, timeout: timedelta = TIMEOUT) -> Processes:
    """Join the other processes that torchrun started, or be alone where it started none.

    Args:
        kind: the recipe's ``parallel``. device: None: this process's own GPU, or the processor where there is none.

    Raises:
        RecipeError: several processes for a recipe of one, or more of them than GPUs. TrainingError: the others cannot
            be reached.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if kind == "none" and size > 1:
        raise RecipeError(
            f"torchrun started {size} processes (WORLD_SIZE), but the recipe says parallel: none; add parallel=ddp or "
            "parallel=fsdp, or start one process."
        )
    chosen = _own_device(local) if device is None else torch.device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if "WORLD_SIZE" not in os.environ or kind == "none":
        return Processes.alone(chosen)
    return Processes(_join(chosen, timeout), chosen)


def stop(processes: Processes) -> None:
    """Leave the others, at the end of a run that went well."""
    if processes.group is not None:
        processes.barrier()
        dist.destroy_process_group()


@contextmanager
def telling_of_lost_processes() -> Iterator[None]:
    """Errors of torch.distributed as one sentence.

    Raises:
        TrainingError: another process of the run is gone, or did not answer in time.
    """
    try:
        yield
    except (dist.DistBackendError, dist.DistNetworkError, dist.DistStoreError) as error:
        raise _lost(error) from error
    except RuntimeError as error:
        # gloo raises plain RuntimeErrors, known by the place in its source that they name.
        if "gloo" not in str(error).lower():
            raise
        raise _lost(error) from error


def _lost(error: Exception) -> TrainingError:
    reason = str(error).strip().splitlines()[0][:200]
    return TrainingError(
        "Another process of this run ended or does not answer any more; look at its own messages above, then run the "
        f"same command again, a training with --resume ({reason})."
    )


def _own_device(local: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if local >= count:
        raise RecipeError(
            f"Process {local} of this machine (LOCAL_RANK) has no GPU of its own, there are {count}; start at most "
            f"{count} processes a machine (--nproc-per-node)."
        )
    return torch.device("cuda", local)


def _join(device: torch.device, timeout: timedelta) -> dist.ProcessGroup:
    """The group of all processes: nccl between GPUs, with gloo beside it for what lies in ordinary memory."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if not dist.is_initialized():
        try:
            dist.init_process_group(backend, timeout=timeout, device_id=device if device.type == "cuda" else None)
        except (RuntimeError, ValueError, dist.DistError) as error:
            where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
            raise TrainingError(
                f"Process {os.environ.get('RANK')} cannot join the others at {where} ({error}); start the run with "
                "torchrun, which sets the address."
            ) from error
    group = dist.group.WORLD
    if group is None:
        raise ValueError("torch.distributed is initialised without a default group.")
    return group
