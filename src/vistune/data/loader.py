"""Batches made ahead of the model by worker processes: the same ones for any number of workers."""

from __future__ import annotations

import re
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset

from vistune.data.batch import Batch, Encoded
from vistune.data.images import open_images
from vistune.data.mixture import Draw
from vistune.data.packing import packed_rows
from vistune.data.plans import Plan, Planner, SampleSet
from vistune.data.rows import BadRow, Place, Reason, RowLog
from vistune.data.transforms import ImageTransform, PixelMaker, RandomKey
from vistune.errors import DataError, ImageError, TrainingError, VistuneError

if TYPE_CHECKING:
    from vistune.data.processor import Processor

# What fills the places of a sample's pictures: pixels, or features from a cache.
Load = Callable[[Encoded, Draw], Encoded]
_SIDES = re.compile(r"\b(left|right)", re.IGNORECASE)


class LoadImages:
    """Opens a sample's pictures and makes pixels of them.

    Args:
        processor: of the model. transform: of the pictures; None: the checkpoint's own.
        mirror_safe: for each data set, whether its pictures may be mirrored. A sample whose own words speak of left or
            right never is.
    """

    def __init__(
        self, processor: Processor, transform: ImageTransform | None = None, mirror_safe: Sequence[bool] = ()
    ) -> None:
        self._processor = processor
        self.make = PixelMaker(processor.image_processor, transform)
        self._mirror_safe = tuple(mirror_safe)

    def __call__(self, sample: Encoded, draw: Draw) -> Encoded:
        """The sample with pixels [n, 3, H, W] that still have to be finished.

        Raises:
            ImageError: a picture that cannot be read.
        """
        if not sample.images:
            return sample
        safe = bool(self._mirror_safe) and self._mirror_safe[draw.set] and not self._speaks_of_sides(sample)
        key = RandomKey(sample.id, draw.epoch, safe)
        return replace(sample, pixel_values=self.make.begin(open_images(sample.images), key))

    def _speaks_of_sides(self, sample: Encoded) -> bool:
        ids = [*sample.input_ids, *(sample.labels or [])]
        words = self._processor.tokenizer.decode([i for i in ids if i >= 0 and i != self._processor.image_token_id])
        return _SIDES.search(words) is not None


@dataclass(frozen=True)
class Made:
    """What a worker sends: a batch (None if all its samples were bad), what was left out, or why there is none."""

    batch: Batch | None = None
    bad: list[BadRow] = field(default_factory=list)
    error: VistuneError | None = None

    def pin_memory(self) -> Made:
        """With the batch in pinned memory; the DataLoader calls it where there is a GPU."""
        return Made(self.batch and self.batch.pin_memory(), self.bad, self.error)


class BatchMaker(Dataset[Made]):
    """From plan to batch, in any process."""

    def __init__(self, sets: Sequence[SampleSet], processor: Processor, load: Load) -> None:
        self._sets = list(sets)
        self._processor = processor
        self._load = load

    def __getitem__(self, plan: Plan) -> Made:
        """The batch of a plan, without the samples that cannot be used."""
        bad: list[BadRow] = []
        try:
            samples = [self._sample(draw, bad) for draw in plan.draws]
            return Made(self._batch(plan, samples), bad)
        except VistuneError as error:
            # Sent as a value: raised here, it would arrive as text with the worker's traceback in it.
            return Made(None, bad, error)

    def _sample(self, draw: Draw, bad: list[BadRow]) -> Encoded | None:
        item = self._sets[draw.set]
        place = Place(item.name, None, draw.index)
        try:
            return self._load(item.tokens(draw.index, draw.epoch), draw)
        except BadRow as error:
            bad.append(error.at(place))
        except ImageError as error:
            words = str(error)
            reason = Reason.MISSING_IMAGE if words.startswith("There is no") else Reason.BROKEN_IMAGE
            bad.append(BadRow(reason, words[0].lower() + words[1:], place))
        return None

    def _batch(self, plan: Plan, samples: Sequence[Encoded | None]) -> Batch | None:
        good = [sample for sample in samples if sample is not None]
        if not good:
            return None
        if plan.size is None:
            return self._processor.collate(good)
        if plan.rows is None:
            return self._processor.pack(packed_rows(good, plan.size, self._processor.encoder_decoder))
        rows = [[sample for index in row if (sample := samples[index]) is not None] for row in plan.rows]
        return self._processor.pack(rows, plan.size.max_tokens, plan.size.max_targets)


class Loader:
    """Batches of a planner, made by worker processes while the model computes.

    Args:
        planner: what comes when. sets: the data sets of its mixture, in its order. processor: of the model.
        load: fills in the pictures; None: the checkpoint's own preparation.
        workers: processes; 0 makes batches in this one. prefetch: batches that each worker is ahead.
        steps: number of batches; None: no end.
        log: what happens to samples that cannot be used, and where they are counted; None: the first is an error.
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
        self.log = log or RowLog()
        self._planner = planner
        self._load = load or LoadImages(processor)
        self._maker = BatchMaker(sets, processor, self._load)
        self._workers = workers
        self._prefetch = prefetch
        self._steps = steps
        self._given = 0
        self._state = planner.state_dict()

    def __iter__(self) -> Iterator[Batch]:
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

    def _made(self, ahead: deque[dict[str, Any]]) -> Iterator[Made]:
        loader: DataLoader[Made] = DataLoader(
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

    def _checked(self, made: Made) -> Batch:
        for row in made.bad:
            self.log.add(row)
        if made.error is not None:
            raise made.error
        if made.batch is None:
            raise DataError(f"No sample of a whole batch can be used (the last: {made.bad[-1]}); repair the data.")
        for _ in made.batch.ids:
            self.log.good()
        return self._finished(made.batch)

    def _finished(self, batch: Batch) -> Batch:
        if not isinstance(self._load, LoadImages) or batch.pixel_values is None:
            return batch
        return replace(batch, pixel_values=self._load.make.finish(batch.pixel_values))


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
