"""The training loop: one for every stage of every model. A feed, an objective and a model in; weights and logs out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from vistune.data.permutation import seed_of
from vistune.train.bad_rows import BadRowList
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.feed import Feed
from vistune.train.interrupt import Interrupted
from vistune.train.meter import Meter, StepNumbers, sums_of
from vistune.train.objectives.objective import Objective
from vistune.train.optimiser import build_optimiser, set_rates
from vistune.train.parts import Model, set_modes, training_parts
from vistune.train.precision import LossScale, allow_tf32, chosen
from vistune.train.recipe.stage import Stage
from vistune.train.reports.report import Report
from vistune.train.result import StageResult, read_result
from vistune.train.selection import Best
from vistune.train.watch import Watch

if TYPE_CHECKING:
    from vistune.data.pairs import PairProcessor
    from vistune.data.processor import Processor
    from vistune.train.parallel.wrap import Spread


class StageRun:
    """One stage on one model; every process makes one.

    Args:
        model: prepared (vistune.train.prepare); its parameters are changed. spread: the same over the processes.
        stage: settings. steps: its length. seed: of dropout. feed: this process's data. objective: what is minimised.
        checkpoints: of the stage; if there is one, :meth:`run` goes on from it.
        folder: of the stage, for what is written beside checkpoints. processor: of the model, to show the first batch.
        reports: told on the main process. evaluate: measures the model after so many steps, on all processes.
        frozen_dropout: "published" leaves the dropout of a frozen language model on, as LAVIS did.
    """

    def __init__(
        self,
        model: Model,
        stage: Stage,
        feed: Feed,
        objective: Objective,
        checkpoints: Checkpoints,
        *,
        steps: int,
        seed: int,
        spread: Spread,
        folder: Path,
        processor: Processor | PairProcessor,
        reports: Sequence[Report] = (),
        evaluate: Callable[[int], Mapping[str, float]] | None = None,
        frozen_dropout: Literal["off", "published"] = "off",
    ) -> None:
        self.model, self.stage, self.feed, self.objective = model, stage, feed, objective
        self.checkpoints, self.steps, self.seed, self.spread = checkpoints, steps, seed, spread
        self.folder, self._processor = folder, processor
        self._processes = spread.processes
        self._reports = list(reports) if self._processes.is_main else []
        self._evaluate = evaluate
        self._frozen_dropout = frozen_dropout
        trained = training_parts(model)
        self._optimiser = build_optimiser(stage, trained)
        self._parameters = [parameter for named in trained.values() for _, parameter in named]
        self._scale = LossScale(chosen(stage.precision, self._processes.device) == "float16")
        self._bad_rows = BadRowList(folder, feed.log, self._processes)
        self._meter = Meter(stage.name, steps, feed.names)
        self._watch = Watch(stage.name, feed.names, self._processes, folder, self._reports)
        self._best = Best(stage.evaluate.metric if stage.evaluate else "mean")
        self._saved: int | None = None

    def run(self, should_stop: Callable[[], bool] | None = None) -> StageResult:
        """Train to the last step; from the newest checkpoint if there is one, as if there had been no stop.

        Raises:
            Interrupted: ``should_stop`` said so; a checkpoint is saved. TrainingError: the loss is not finite; a
                checkpoint from before that step is saved. ResumeError, StorageError: see `Checkpoints`.
        """
        step = self._restore()
        finished = read_result(self.folder) if step == self.steps else None
        if finished is not None:
            return finished
        allow_tf32(self.stage.tf32)
        try:
            self._begin(step)
            while step < self.steps:
                stop = self._step(step, should_stop is not None and should_stop())
                step += 1
                self._after(step, stop)
            return self._end()
        finally:
            for report in self._reports:
                report.close()
            self.feed.close()
            self.model.eval()

    def _begin(self, step: int) -> None:
        self._modes()
        for report in self._reports:
            report.begin(self.stage.name, step, self.steps)
        self._watch.begin(step)
        self._bad_rows.begin(step)
        self._meter.start()

    def _step(self, step: int, stop: bool) -> bool:
        """One update; whether any process was asked to stop."""
        before = self.feed.state_dict()
        data = self.feed.next()
        self._meter.data_came()
        if step == 0:
            self._watch.first_batch(data, self._processor)
        # Dropout is a function of this alone, so going on after a stop needs no random state of the former process.
        torch.manual_seed(seed_of("dropout", self.seed, step, self._processes.rank))
        rates = set_rates(self._optimiser, self.stage, step, self.steps)
        losses = self.objective(self.spread, data, step, self._scale.scale)
        self._scale.unscale(self._parameters)
        norm = self.spread.clip(self.stage.clip_norm)
        numbers = StepNumbers.of(losses, self._processes.sum(sums_of(losses, data, stop)), self.feed.names)
        if math.isfinite(numbers.loss) and math.isfinite(norm):
            self._optimiser.step()
            self._scale.good()
        elif not (math.isfinite(numbers.loss) and self._scale.overflowed()):
            self._optimiser.zero_grad(set_to_none=True)
            self._save(step, feed=before)
            self.checkpoints.wait()
            raise self._watch.failure(step + 1, numbers.loss, norm, data, losses, self.checkpoints.folder)
        self._optimiser.zero_grad(set_to_none=True)
        entry = self._meter.entry(step + 1, numbers, norm, rates)
        self._watch.loss(step + 1, numbers.loss, data, losses)
        for report in self._reports:
            report.step(entry)
        self._meter.step_done()
        return numbers.stop

    def _after(self, step: int, stop: bool) -> None:
        """Measure and save where it is time; leave if asked to."""
        best = False
        every = self.stage.evaluate.every if self.stage.evaluate else 0
        if self._evaluate is not None and every and (step % every == 0 or step == self.steps):
            best = self._measure(step)
        if step == self.steps:
            self._save(step, best, finished=True)
            return
        if best or stop or step % self.stage.save_every == 0:
            self._save(step, best)
        if stop:
            self.checkpoints.wait()
            raise Interrupted(f"stopped in stage {self.stage.name!r} after step {step:,} of {self.steps:,}")

    def _measure(self, step: int) -> bool:
        """Whether the model is better than ever before."""
        if self._evaluate is None:
            return False
        with self._meter.paused():
            self.model.eval()
            with self.spread.whole():
                figures = self._processes.broadcast(dict(self._evaluate(step)))
            self._modes()
        best = self._best.add(step, figures)
        for report in self._reports:
            report.evaluated(step, figures, best)
        return best

    def _modes(self) -> None:
        set_modes(self.model, self.stage.train, self._frozen_dropout == "published")

    def _restore(self) -> int:
        path = self.checkpoints.newest()
        if path is None:
            return 0
        # The last checkpoint of a stage has no optimiser any more.
        done = read_result(self.folder) is not None or path.name.endswith(f"-{self.steps:08d}")
        extra = self.checkpoints.load(path, self.spread.module, None if done else self._optimiser)
        self.feed.load_state_dict(extra["feed"])
        self._scale.load_state_dict(extra["scale"])
        self._meter.load_state_dict(extra["meter"])
        self._watch.spikes.load_state_dict(extra["spikes"])
        self._best.load_state_dict(extra["best"])
        self._saved = int(extra["step"])
        return self._saved

    def _save(
        self, step: int, best: bool = False, finished: bool = False, feed: Mapping[str, Any] | None = None
    ) -> None:
        if step == self._saved and not best:
            return
        with self._meter.losing():
            self.checkpoints.save(
                step, self.spread.module, None if finished else self._optimiser, self._extra(step, feed), best=best
            )
            self._bad_rows.save()
        self._saved = step

    def _extra(self, step: int, feed: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            "step": step,
            "feed": dict(feed or self.feed.state_dict()),
            "scale": self._scale.state_dict(),
            "meter": self._meter.state_dict(),
            "spikes": self._watch.spikes.state_dict(),
            "best": self._best.state_dict(),
        }

    def _end(self) -> StageResult:
        self.checkpoints.wait()
        result = self._meter.result(self._best, len(self._bad_rows), self._watch.spikes.count)
        if self._processes.is_main:
            result.write(self.folder)
        for report in self._reports:
            report.end(result)
        return result
