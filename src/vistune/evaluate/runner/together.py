"""The processes that torchrun started for an evaluation, and errors that several of them have alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from vistune.errors import VistuneError

if TYPE_CHECKING:
    from vistune.train.parallel.processes import Processes

T = TypeVar("T")

# Shares of a benchmark may be done hours apart on unlike machines. One that is gone is noticed at once all the same.
_PATIENCE = timedelta(days=1)


def started_together() -> bool:
    """Whether torchrun started this process with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Whether this process does what one of them is enough for."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """This process alone, or with the others that torchrun started.

    Raises:
        InputError, RecipeError: there is no such device. TrainingError: the others cannot be reached.
    """
    from vistune.infer.predictor import choose_device
    from vistune.train.parallel.processes import Processes, start, stop

    if not started_together():
        yield Processes.alone(choose_device(device))
        return
    # Without a number each process takes the GPU of its own.
    processes = start("ddp", None if device in ("auto", "cuda") else choose_device(device), _PATIENCE)
    yield processes
    stop(processes)


def alike(processes: Processes, function: Callable[[], T]) -> T:
    """What every process does, without exchanging anything; an error that several have is told by one of them.

    Raises:
        VistuneError: of ``function``. SystemExit: only other processes failed, or have told this error.
    """
    if processes.size == 1:
        return function()
    try:
        result, error = function(), None
    except VistuneError as raised:
        error = raised
    said = processes.collect(None if error is None else str(error))
    if error is not None and said.index(str(error)) == processes.rank:
        raise error
    if any(words is not None for words in said):
        raise SystemExit(1)
    return result


def shares(processes: Processes, function: Callable[[], T]) -> list[T]:
    """What every process makes of its share, in order of ranks; the first one that fails tells its error.

    Raises:
        VistuneError: of ``function``. SystemExit: another process failed and has told its error.
    """
    done: list[T] = []
    error = None
    try:
        done.append(function())
    except VistuneError as raised:
        error = raised
    parts = processes.collect(done)
    failed = next((rank for rank, part in enumerate(parts) if not part), None)
    if failed is None:
        return [value for part in parts for value in part]
    if error is not None and failed == processes.rank:
        raise error
    raise SystemExit(1)
