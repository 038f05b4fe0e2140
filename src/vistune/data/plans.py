"""What each batch is made of: samples of a mixture, cut into steps, packed rows or groups of like length.

A planner opens no picture. It is the whole state of what is learned from when, a few kilobytes, and says the same
whoever makes the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vistune.data.bad_rows import BadRow, Place, RowLog
from vistune.data.batch import Encoded
from vistune.data.grouping import group_by_length
from vistune.data.mixture import Draw, Mixture
from vistune.data.packing import Length, RowPacker, RowSize, length_of
from vistune.data.permutation import seed_of


class SampleSet(Protocol):
    """A named data set whose samples can be made in any process."""

    name: str

    def __len__(self) -> int: ...

    def tokens(self, index: int, epoch: int = 0) -> Encoded:
        """The sample as token lists, its pictures as references."""


@dataclass(frozen=True)
class Plan:
    """One batch.

    Args:
        draws: its samples. size: of packed rows; None: a padded row for each sample.
        rows: which samples, as indices into ``draws``, share a row, all of ``size``; None: whoever makes the batch
            packs them evenly.
    """

    draws: tuple[Draw, ...]
    size: RowSize | None = None
    rows: tuple[tuple[int, ...], ...] | None = None


class Planner(Protocol):
    """Says what comes next, and can be put back to where it was."""

    def plan(self) -> Plan:
        """The next batch."""

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, as JSON can hold it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


@dataclass(frozen=True)
class Share:
    """Which part of every batch this process makes: every ``world_size``-th sample or row from ``rank`` on."""

    rank: int = 0
    world_size: int = 1


class StepPlanner:
    """The samples of a step, as published recipes count them, padded or evenly packed.

    Args:
        batch_size: samples a step, of all processes. size: of packed rows; None: padded.
    """

    def __init__(
        self, mixture: Mixture, batch_size: int, size: RowSize | None = None, share: Share | None = None
    ) -> None:
        self._mixture = mixture
        self._batch_size = batch_size
        self._size = size
        self._share = share or Share()
        self._step = 0

    def plan(self) -> Plan:
        """The samples of the next step."""
        draws = self._mixture.draws(self._step, self._batch_size)
        self._step += 1
        return Plan(tuple(draws[self._share.rank :: self._share.world_size]), self._size)

    def state_dict(self) -> dict[str, Any]:
        """The step."""
        return {"step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with this step."""
        self._step = int(state["step"])


class Lengths:
    """Length of the sample of a draw, if it has one.

    Args:
        sets, encoder_decoder: of the samples and the model.
        log: where samples that cannot be made are counted; None: whoever makes the batch counts them.
    """

    def __init__(self, sets: Sequence[SampleSet], encoder_decoder: bool, log: RowLog | None = None) -> None:
        self._sets = sets
        self._encoder_decoder = encoder_decoder
        self._log = log

    def __call__(self, draw: Draw) -> tuple[str, Length, bool] | None:
        """Name, length, and whether there are pictures.

        Raises:
            BadRow: a sample that cannot be made, unless the log skips those.
        """
        item = self._sets[draw.set]
        try:
            sample = item.tokens(draw.index, draw.epoch)
        except BadRow as error:
            if self._log is not None:
                self._log.add(error.at(Place(item.name, None, draw.index)))
            return None
        return sample.id, length_of(sample, self._encoder_decoder), bool(sample.images)


Measure = Callable[[Draw], tuple[str, Length, bool] | None]


class RowPlanner:
    """A stream of samples packed into rows of one size: batches that are all alike, whatever is in them.

    Args:
        measure: length of a draw (`Lengths`, with the loader's log: what it leaves out never gets to the loader).
        num_rows: of a batch, of all processes.
    """

    def __init__(
        self, mixture: Mixture, measure: Measure, size: RowSize, num_rows: int, share: Share | None = None
    ) -> None:
        self._mixture = mixture
        self._measure = measure
        self._size = size
        self._num_rows = num_rows
        self._share = share or Share()
        self._packer = RowPacker(size)
        self._number = 0

    def plan(self) -> Plan:
        """The next rows.

        Raises:
            InputError: a sample is longer than a row.
        """
        closed: list[list[int]] = []
        while len(closed) < self._num_rows:
            measured = self._measure(self._mixture.draw(self._number))
            if measured is not None:
                name, length, _ = measured
                self._size.check(name, length)
                row = self._packer.add(self._number, length)
                closed += [] if row is None else [row]
            self._number += 1
        mine = closed[self._share.rank :: self._share.world_size]
        draws = tuple(self._mixture.draw(number) for row in mine for number in row)
        places = iter(range(len(draws)))
        return Plan(draws, self._size, tuple(tuple(next(places) for _ in row) for row in mine))

    def state_dict(self) -> dict[str, Any]:
        """Number of the next draw, and the rows that are being filled."""
        return {"number": self._number, "open": self._packer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with this number and these rows."""
        self._number = int(state["number"])
        self._packer.load_state_dict(state["open"])


class GroupPlanner:
    """The samples of several steps, sorted into batches of like length and kind (see `group_by_length`).

    Args:
        measure: length of a draw (`Lengths` without a log). batch_size: samples a step, of all processes.
        window: steps that are sorted together.
    """

    def __init__(
        self, mixture: Mixture, measure: Measure, batch_size: int, window: int = 16, share: Share | None = None
    ) -> None:
        self._mixture = mixture
        self._measure = measure
        self._batch_size = batch_size
        self._window = window
        self._share = share or Share()
        self._step = 0
        self._sorted: tuple[int, list[tuple[Draw, ...]]] | None = None

    def plan(self) -> Plan:
        """The next batch."""
        window, place = divmod(self._step, self._window)
        if self._sorted is None or self._sorted[0] != window:
            self._sorted = (window, self._sort(window))
        self._step += 1
        return Plan(self._sorted[1][place][self._share.rank :: self._share.world_size])

    def _sort(self, window: int) -> list[tuple[Draw, ...]]:
        steps = range(window * self._window, (window + 1) * self._window)
        draws = [draw for step in steps for draw in self._mixture.draws(step, self._batch_size)]
        # A bad sample keeps its place: whoever makes the batch leaves it out.
        measured = [self._measure(draw) or ("", Length(0), False) for draw in draws]
        lengths = [length.inputs + length.targets for _, length, _ in measured]
        seed = seed_of("groups", self._mixture.seed, window)
        groups = group_by_length(lengths, [pictured for *_, pictured in measured], self._batch_size, seed)
        return [tuple(draws[index] for index in group) for group in groups]

    def state_dict(self) -> dict[str, Any]:
        """The step; its window is sorted again."""
        return {"step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with this step."""
        self._step = int(state["step"])
