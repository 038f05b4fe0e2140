"""What a step came to, and how long it took: numbers of all processes, looked at once a step."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vistune.train.objectives.objective import StepLosses
from vistune.train.reports.report import StepEntry
from vistune.train.result import StageResult
from vistune.train.selection import Best
from vistune.train.step_data import StepData

_WINDOW = 50


def sums_of(losses: StepLosses, data: StepData, stop: bool) -> Tensor:
    """Everything that is added over the processes, in one tensor [n] where the losses are computed."""
    parts = list(losses.parts.values())
    device = parts[0].sum.device
    own = torch.tensor([data.num_tokens, len(data.draws), data.num_learned, stop], dtype=torch.float64)
    pieces = [torch.stack([part.sum.double(), part.count.to(device).double()]) for part in parts]
    if losses.sets is not None:
        pieces += [losses.sets.sum.double(), losses.sets.count.double()]
    return torch.cat([own.to(device, non_blocking=True), *pieces])


@dataclass(frozen=True)
class StepNumbers:
    """A step of all processes; see StepEntry. stop: whether any process was asked to stop."""

    loss: float
    parts: dict[str, float]
    sets: dict[str, float]
    tokens: int
    samples: int
    learned: int
    stop: bool

    @classmethod
    def of(cls, losses: StepLosses, sums: Tensor, names: Sequence[str]) -> StepNumbers:
        """From the sums over the processes; this is where a GPU is waited for."""
        tokens, samples, learned, stop, *values = sums.tolist()
        parts = {}
        for place, name in enumerate(losses.parts):
            total, count = values[2 * place : 2 * place + 2]
            parts[name] = total / max(1.0, count)
        sets = {}
        if losses.sets is not None:
            rest = values[2 * len(losses.parts) :]
            pairs = zip(names, rest[: len(names)], rest[len(names) :], strict=True)
            sets = {name: total / count for name, total, count in pairs if count}
        return cls(sum(parts.values()), parts, sets, int(tokens), int(samples), int(learned), stop > 0)


class Meter:
    """Times and totals of a stage, over all its sittings.

    Args:
        stage: its name. steps: its length. names: of the data sets.
    """

    def __init__(self, stage: str, steps: int, names: Sequence[str]) -> None:
        self._stage = stage
        self._steps = steps
        self._names = names
        self._paces: deque[float] = deque(maxlen=_WINDOW)
        self._losses: deque[float] = deque(maxlen=max(1, steps // 20))
        self._totals = dict.fromkeys(("samples", "tokens", "seconds", "lost", "waited"), 0.0)
        self._begun = self._step_begun = time.perf_counter()
        self._waited = 0.0

    def start(self) -> None:
        """The first step begins now."""
        self._step_begun = time.perf_counter()

    def data_came(self) -> None:
        """The step's data is there."""
        self._waited = time.perf_counter() - self._step_begun

    def entry(self, step: int, numbers: StepNumbers, norm: float, rates: Mapping[str, float]) -> StepEntry:
        """The step is computed."""
        seconds = time.perf_counter() - self._step_begun
        self._paces.append(seconds)
        self._losses.append(numbers.loss)
        self._add(samples=numbers.samples, tokens=numbers.tokens, waited=self._waited)
        return StepEntry(
            stage=self._stage,
            step=step,
            steps=self._steps,
            loss=numbers.loss,
            parts=numbers.parts,
            sets=numbers.sets,
            grad_norm=norm,
            rates=rates,
            samples=numbers.samples,
            tokens=numbers.tokens,
            learned=numbers.learned,
            seconds=seconds,
            waited=self._waited,
            memory=memory_used(),
            seconds_left=sum(self._paces) / len(self._paces) * (self._steps - step),
        )

    def step_done(self) -> None:
        """The reports are written; the next step begins now."""
        now = time.perf_counter()
        self._add(seconds=now - self._step_begun, lost=now - self._step_begun - self._paces[-1])
        self._step_begun = now

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Training stands still, to save."""
        with self.paused():
            began = time.perf_counter()
            yield
            spent = time.perf_counter() - began
        self._add(seconds=spent, lost=spent)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time that does not count."""
        began = time.perf_counter()
        yield
        self._step_begun += time.perf_counter() - began

    def result(self, best: Best, bad_rows: int, spikes: int) -> StageResult:
        """Of the whole stage."""
        totals = self._totals
        return StageResult(
            stage=self._stage,
            steps=self._steps,
            loss=sum(self._losses) / max(1, len(self._losses)),
            samples=int(totals["samples"]),
            tokens=int(totals["tokens"]),
            seconds=round(totals["seconds"], 3),
            seconds_lost=round(totals["lost"], 3),
            seconds_waited=round(totals["waited"], 3),
            metric=None if best.value is None else best.metric,
            best=best.value,
            best_step=best.step,
            bad_rows=bad_rows,
            spikes=spikes,
        )

    def state_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"totals": self._totals, "losses": list(self._losses)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._totals = dict(state["totals"])
        self._losses.extend(state["losses"])

    def _add(self, **values: float) -> None:
        for name, value in values.items():
            self._totals[name] += value


def memory_used() -> int:
    """Bytes, the most so far: of this process's GPU if it computes on one, else of the process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
