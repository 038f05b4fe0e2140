"""Batches made ahead of the model by worker processes: the same ones for any number of workers."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic

import torch
from torch.utils.data import DataLoader

from vistune.data.bad_rows import RowLog
from vistune.data.batch import Batch
from vistune.data.batch_maker import B, BatchMaker, Collate, Load, LoadImages, Made, OneBatch
from vistune.data.plans import Plan, Planner, SampleSet
from vistune.errors import DataError, TrainingError

if TYPE_CHECKING:
    from vistune.data.processor import Processor


class LoaderOf(Generic[B]):
    """Batches of a planner, collated in any way, made by worker processes while the model computes.

    Args:
        planner: what comes when. sets: the data sets of its mixture, in its order.
        load: fills in the pictures. collate: makes a batch of the samples of a plan.
        workers: processes; 0 makes batches in this one. prefetch: batches that each worker is ahead.
        steps: number of batches; None: no end.
        log: what happens to samples that cannot be used, and where they are counted; None: the first is an error.
    """

    def __init__(
        self,
        planner: Planner,
        sets: Sequence[SampleSet],
        load: Load,
        collate: Collate[B],
        *,
        workers: int = 0,
        prefetch: int = 2,
        steps: int | None = None,
        log: RowLog | None = None,
    ) -> None:
        self.log = log or RowLog()
        self._planner = planner
        self._load = load
        self._maker = BatchMaker(sets, load, collate)
        self._workers = workers
        self._prefetch = prefetch
        self._steps = steps
        self._given = 0
        self._state = planner.state_dict()

    def __iter__(self) -> Iterator[B]:
        """Batches from where the last one was taken.

        Raises:
            BadRow: a sample that cannot be used, unless the log skips those. DataError: too many of them, or all of a
                batch. TrainingError: a worker died.
        """
        self._planner.load_state_dict(self._state)
        ahead: deque[dict[str, Any]] = deque()
        for made in self._made(ahead):
            state = ahead.popleft()
            batch = self._checked(made)
            self._state = state
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where the last batch that was taken leaves off, as JSON can hold it: kilobytes."""
        return {"planner": self._state, "given": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave: the next batch is the one after."""
        self._state = state["planner"]
        self._given = int(state["given"])

    def _made(self, ahead: deque[dict[str, Any]]) -> Iterator[Made[B]]:
        loader: DataLoader[Made[B]] = DataLoader(
            self._maker,
            batch_size=None,
            sampler=_Plans(self._planner, ahead, None if self._steps is None else self._steps - self._given),
            collate_fn=_same,
            num_workers=self._workers,
            prefetch_factor=self._prefetch if self._workers else None,
            worker_init_fn=_begin_worker,
            pin_memory=torch.cuda.is_available(),
            # Of its own, so that the numbers that the model draws do not depend on the loader.
            generator=torch.Generator(),
        )
        try:
            yield from loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise TrainingError(
                f"A process that prepares data died ({str(error).splitlines()[0]}); give it more memory (in a "
                "container also shared memory, --shm-size), or use fewer workers."
            ) from error

    def _checked(self, made: Made[B]) -> B:
        for row in made.bad:
            self.log.add(row)
        if made.error is not None:
            raise made.error
        if made.batch is None:
            raise DataError(f"No sample of a whole batch can be used (the last: {made.bad[-1]}); repair the data.")
        for _ in made.batch.ids:
            self.log.good()
        return made.batch.with_pixels(self._load.make.finish) if isinstance(self._load, LoadImages) else made.batch


class Loader(LoaderOf[Batch]):
    """One Batch a plan.

    Args:
        processor: of the model. load: None: the checkpoint's own preparation of pictures.
        Others: see `LoaderOf`.
    """

    def __init__(
        self,
        planner: Planner,
        sets: Sequence[SampleSet],
        processor: Processor,
        load: Load | None = None,
        *,
        workers: int = 0,
        prefetch: int = 2,
        steps: int | None = None,
        log: RowLog | None = None,
    ) -> None:
        super().__init__(
            planner,
            sets,
            load or LoadImages(processor),
            OneBatch(processor),
            workers=workers,
            prefetch=prefetch,
            steps=steps,
            log=log,
        )


class _Plans:
    """The sampler of the DataLoader: plans, and the state after each."""

    def __init__(self, planner: Planner, ahead: deque[dict[str, Any]], count: int | None) -> None:
        self._planner = planner
        self._ahead = ahead
        self._count = count

    def __iter__(self) -> Iterator[Plan]:
        given = 0
        while self._count is None or given < self._count:
            plan = self._planner.plan()
            self._ahead.append(self._planner.state_dict())
            given += 1
            yield plan


def _same(made: Any) -> Any:
    return made


def _begin_worker(number: int) -> None:
    """One thread each, and Ctrl-C is for the main process, which then ends the workers."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
