"""What people should see of a stage's data: the first batch, losses that stand out, samples that broke the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.storage import written_whole
from vistune.errors import TrainingError
from vistune.train.objectives.objective import StepLosses
from vistune.train.parallel.processes import Processes
from vistune.train.reports.first_batch import FIRST_BATCH_FILE, decoded_samples
from vistune.train.reports.report import Report
from vistune.train.reports.spikes import SampleLoss, SpikeLog, SpikeWatch
from vistune.train.step_data import StepData

if TYPE_CHECKING:
    from vistune.data.pairs import PairProcessor
    from vistune.data.processor import Processor

_SHOWN = 3


class Watch:
    """Every process has one; the main one writes and tells.

    Args:
        stage: its name. names: of the data sets. folder: of the stage. reports: told on the main process.
    """

    def __init__(
        self, stage: str, names: Sequence[str], processes: Processes, folder: Path, reports: Sequence[Report]
    ) -> None:
        self.spikes = SpikeWatch()
        self._stage = stage
        self._names = names
        self._processes = processes
        self._folder = folder
        self._reports = reports
        self._log: SpikeLog | None = None

    def begin(self, step: int) -> None:
        """The stage begins, or goes on after ``step`` steps."""
        self._log = SpikeLog(self._folder, step) if self._processes.is_main else None

    def first_batch(self, data: StepData, processor: Processor | PairProcessor) -> None:
        """In words: all of it in a file, the first samples to people."""
        if not self._processes.is_main:
            return
        samples = list(decoded_samples(data, processor))
        with written_whole(self._folder / FIRST_BATCH_FILE) as part:
            part.write_text("".join(f"{name}: {words}\n" for name, words in samples), encoding="utf-8")
        for place, (name, words) in enumerate(samples[:_SHOWN]):
            self._tell(f"{'then' if place else 'first sample'}: {name}: {words}")

    def loss(self, step: int, loss: float, data: StepData, losses: StepLosses) -> None:
        """Write down a loss that stands out, with the samples of all processes."""
        middle = self.spikes.add(loss)
        if middle is None:
            return
        samples = self._samples(data, losses)
        if self._log is not None:
            self._tell(self._log.write(step, loss, middle, samples))

    def failure(
        self, step: int, loss: float, norm: float, data: StepData, losses: StepLosses, saved: Path
    ) -> TrainingError:
        """The error of a loss that is not finite: its step, the samples to blame where that is known, else all."""
        samples = self._samples(data, losses)
        broken = [sample for sample in samples if sample.loss is not None and not math.isfinite(sample.loss)]
        names = ", ".join(sample.id for sample in broken or samples)
        return TrainingError(
            f"Stage {self._stage!r} has a loss of {loss} and a gradient norm of {norm} at step {step:,}; lower the "
            f"learning rate or look at its samples: {names}. The state before that step is saved in {str(saved)!r}."
        )

    def _samples(self, data: StepData, losses: StepLosses) -> list[SampleLoss]:
        """Samples of a step with their losses, of all processes."""
        values: list[float | None] = [None] * len(data.draws) if losses.samples is None else losses.samples.tolist()
        own = [
            SampleLoss(name, self._names[draw.set], draw.index, value)
            for name, draw, value in zip(data.ids, data.draws, values, strict=True)
        ]
        return [sample for some in self._processes.collect(own) for sample in some]

    def _tell(self, words: str) -> None:
        for report in self._reports:
            report.line(f"{self._stage}: {words}")
