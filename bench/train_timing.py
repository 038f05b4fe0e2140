"""Seconds of a training run, step by step: all of a step, and the model's part of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Timed:
    """What a run of one side came to; the first step, which sets things up, is left out of every figure.

    losses, seconds: of each step. processor: its seconds in all threads, which do not depend on what else the machine
    does. outside: of these, seconds that neither forward, backward, clipping nor
    the optimiser took, such as those for data.
    """

    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    _begun: float = 0.0
    _used: float = 0.0
    _waited: float = 0.0

    def begin(self) -> None:
        """The next step begins."""
        self._begun = time.perf_counter()
        self._used = time.process_time()

    def data_came(self) -> None:
        """Its data is there."""
        self._waited = time.perf_counter() - self._begun

    def step(self, loss: float) -> None:
        """It is done, and the next one begins."""
        self.add(loss, time.perf_counter() - self._begun, self._waited)
        self.begin()

    def add(self, loss: float, seconds: float, outside: float) -> None:
        """A step."""
        self.losses.append(loss)
        self.seconds.append(seconds)
        self.outside.append(outside)
        self.processor.append(time.process_time() - self._used)
        self._used = time.process_time()

    def per_step(self) -> float:
        """Mean seconds of a step."""
        return sum(self.seconds[1:]) / len(self.seconds[1:])

    def processor_per_step(self) -> float:
        """Mean seconds of all processors in a step."""
        return sum(self.processor[1:]) / len(self.processor[1:])

    def share_outside(self) -> float:
        """Share of the time that was not the model's."""
        return sum(self.outside[1:]) / sum(self.seconds[1:])
