"""What the loop tells its reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vistune.train.result import StageResult


@dataclass(frozen=True)
class StepEntry:
    """A step that was made; of all processes unless it says otherwise.

    Args:
        stage: its name. step, steps: how many steps are done now, of how many.
        loss: mean over learned tokens (for several losses: the sum of their means). parts: losses by name where there
            are several. sets: loss by data set, those that were drawn.
        grad_norm: before clipping. rates: learning rate by part.
        samples, tokens: of this step; tokens without padding. learned: tokens that were learned from (or pairs).
        seconds: since the step before ended. waited: of these, for data (this process).
        memory: bytes, the most so far (this process; of its GPU if it has one).
        seconds_left: until the last step, as fast as the last steps.
    """

    stage: str
    step: int
    steps: int
    loss: float
    parts: Mapping[str, float]
    sets: Mapping[str, float]
    grad_norm: float
    rates: Mapping[str, float]
    samples: int
    tokens: int
    learned: int
    seconds: float
    waited: float
    memory: int
    seconds_left: float

    @property
    def samples_per_second(self) -> float:
        """Of this step."""
        return self.samples / max(self.seconds, 1e-9)

    @property
    def tokens_per_second(self) -> float:
        """Of this step, without padding."""
        return self.tokens / max(self.seconds, 1e-9)


class Report:
    """Told of a stage on the main process; whatever a report has no use for does nothing."""

    def begin(self, stage: str, step: int, steps: int) -> None:
        """The stage begins, or goes on after ``step`` steps."""

    def line(self, text: str) -> None:
        """A sentence for people."""

    def step(self, entry: StepEntry) -> None:
        """A step was made."""

    def evaluated(self, step: int, figures: Mapping[str, float], best: bool) -> None:
        """Measured after ``step`` steps; best: better than ever before."""

    def end(self, result: StageResult) -> None:
        """The last step was made and saved."""

    def close(self) -> None:
        """The stage is left, finished or not."""
