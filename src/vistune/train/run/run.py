"""A recipe run from its first stage to its final model, or on from where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.storage import writing
from vistune.errors import RecipeError, VistuneError
from vistune.train.interrupt import Interrupted, StopRequest
from vistune.train.parallel.processes import Processes, start, stop
from vistune.train.recipe.show import resolved_yaml
from vistune.train.result import StageResult, read_result
from vistune.train.run.chain import Chain, module_of
from vistune.train.run.check import check_data
from vistune.train.run.finish import save_final
from vistune.train.run.folder import RECIPE_FILE, SUMMARY_FILE, RunFolder, write_text_file
from vistune.train.run.lock import RunLock
from vistune.train.run.record import Record
from vistune.train.run.stage import Surroundings, run_stage
from vistune.train.run.summary import summary_text

if TYPE_CHECKING:
    from vistune.train.recipe.load import LoadedRecipe
    from vistune.train.recipe.recipe import Log
    from vistune.train.recipe.stage import Stage
    from vistune.train.reports.report import Report
    from vistune.train.run.evaluation import OpenEvaluation
    from vistune.train.run.model.assembly import Assembly

Say = Callable[[str], None]

_STOPPING = "Stopping after this step, with everything saved; Ctrl-C again ends it at once."


@dataclass(frozen=True)
class RunSummary:
    """A finished run.

    Args:
        folder: of the run. model: its final model. stages: what became of each. seconds: of this sitting.
    """

    folder: Path
    model: Path
    stages: tuple[StageResult, ...]
    seconds: float


def run_recipe(
    loaded: LoadedRecipe,
    *,
    out: Path | None = None,
    resume: bool = False,
    evaluator: OpenEvaluation | None = None,
    data_root: Path | None = None,
    command: Sequence[str] | None = None,
    say: Say = print,
    bar: bool = False,
    should_stop: Callable[[], bool] | None = None,
) -> RunSummary:
    """Train every stage of a recipe and save the final model.

    Under torchrun all processes call it; the first one writes and speaks.

    Args:
        out: folder of the run; None: the recipe's. resume: go on with the run that stands there.
        evaluator: opens what is measured on the way, ``vistune.evaluate.training.make_evaluator``.
        data_root: folder of the known sets, before the recipe's own. command: for the record.
        say: takes a sentence for people. bar: show progress as a bar on stderr in place of lines.
        should_stop: asked between steps; None: SIGINT and SIGTERM stop the run.

    Raises:
        Interrupted: a stop was asked for; what was done is kept, and ``resume`` goes on.
        RecipeError, DataError, CheckpointError: something that the recipe names is not there or does not fit.
        ResumeError: the folder holds another run, or this one and ``resume`` is not given.
        TrainingError: a loss that is not finite, a process that died. StorageError: a full disk.
    """
    begun = time.monotonic()
    recipe = loaded.recipe
    processes = start(recipe.parallel)
    folder = RunFolder((out or loaded.out).expanduser())
    tell: Say = say if processes.is_main else _silent
    stopping = StopRequest(_STOPPING if processes.is_main else "") if should_stop is None else nullcontext(should_stop)
    with stopping as wants_stop, RunLock(folder.path) as lock:
        run = _Run(loaded, folder, processes, evaluator, data_root, tell, bar, wants_stop, lock)
        run.prepare(resume, command)
        results = run.stages()
        run.finish(results)
    stop(processes)
    return RunSummary(folder.path, folder.model, tuple(results), time.monotonic() - begun)


class _Run:
    def __init__(
        self,
        loaded: LoadedRecipe,
        folder: RunFolder,
        processes: Processes,
        evaluator: OpenEvaluation | None,
        data_root: Path | None,
        say: Say,
        bar: bool,
        should_stop: Callable[[], bool],
        lock: RunLock,
    ) -> None:
        self.loaded = loaded
        self.recipe = loaded.recipe
        self.folder = folder
        self.processes = processes
        self.say = say
        self.bar = bar
        self.lock = lock
        self.record = Record(folder, processes.is_main)
        self.chain = Chain(self.recipe, folder, processes, say)
        self.data_root = data_root
        self._begun: tuple[int, Assembly] | None = None
        self.around = Surroundings(
            self.recipe, folder, processes, data_root, evaluator, say, should_stop, self.record.stage
        )

    def prepare(self, resume: bool, command: Sequence[str] | None) -> None:
        """Look at everything that could be wrong later, then make the folder this run's."""
        if self.processes.size > self.recipe.stages[0].batch_size:
            raise RecipeError(
                f"There are {self.processes.size} processes for {self.recipe.stages[0].batch_size} samples a step; "
                "start fewer, or give the stage a larger batch_size."
            )
        goes_on = self._by_main(lambda: self._look(resume))
        self._begun = self._first_model()
        self._by_main(self._make_folder)
        if resume and not goes_on:
            self.say(f"There is no checkpoint in {self.folder.path} to go on from; the run begins anew.")
        self.record.begin(self.loaded, self.processes, command, goes_on)
        self.processes.barrier()

    def _by_main(self, work: Callable[[], bool]) -> bool:
        """What the main process alone does; an error of it is one of all, so that none waits for ever."""
        found: bool | VistuneError = False
        if self.processes.is_main:
            try:
                found = work()
            except VistuneError as error:
                found = error
        found = self.processes.broadcast(found)
        if isinstance(found, VistuneError):
            raise found
        return found

    def _look(self, resume: bool) -> bool:
        """Whether the run goes on; other processes could already see in the folder what is written afterwards."""
        self.lock.take()
        goes_on = self.folder.claim(self.loaded, resume)
        check_data(self.recipe, self.data_root)
        return goes_on

    def _make_folder(self) -> bool:
        with writing(self.folder.path):
            self.folder.path.mkdir(parents=True, exist_ok=True)
        self.lock.take()
        write_text_file(self.folder.path / RECIPE_FILE, resolved_yaml(self.loaded))
        return True

    def _first_model(self) -> tuple[int, Assembly] | None:
        """The model of the first stage that is not finished: put together before anything is written."""
        for number, stage in enumerate(self.recipe.stages):
            if read_result(self.folder.stage(stage.name)) is None:
                assembly = self.chain.model_before(number)
                module_of(assembly, stage)
                return number, assembly
        return None

    def stages(self) -> list[StageResult]:
        """Train what is not trained yet."""
        results: list[StageResult] = []
        for number, stage in enumerate(self.recipe.stages):
            result = read_result(self.folder.stage(stage.name))
            if result is None:
                result = self._train(number, stage)
                self.processes.barrier()
            else:
                self.say(f"{stage.name}: finished already, {result.steps:,} steps")
            results.append(result)
        return results

    def finish(self, results: list[StageResult]) -> None:
        """The final model, and a page about the run."""
        if not self.record.has_model() or not self.folder.model.is_dir():
            assembly, finished = self.chain.final_model()
            if self.processes.is_main:
                last = len(self.recipe.stages) - 1
                save_final(
                    assembly,
                    finished,
                    self.recipe,
                    self.folder,
                    self.processes.device,
                    lambda: self.chain.model_before(last),
                )
            self.processes.barrier()
        self.record.end()
        if self.processes.is_main:
            write_text_file(self.folder.path / SUMMARY_FILE, summary_text(self.loaded, self.folder, results))
        self.say(f"The final model is in {self.folder.model}; the run's summary in {self.folder.path / SUMMARY_FILE}.")

    def _train(self, number: int, stage: Stage) -> StageResult:
        begun, self._begun = self._begun, None
        assembly = begun[1] if begun is not None and begun[0] == number else self.chain.model_before(number)
        try:
            return run_stage(assembly, stage, self.around, self._reports)
        except Interrupted as error:
            raise Interrupted(f"{error}; everything until then is kept in {self.folder.path}") from error

    def _reports(self, folder: Path) -> list[Report]:
        """Those of a stage, on the main process."""
        if not self.processes.is_main:
            return []
        return reports_of(self.recipe.log, folder, self.say, self.bar, self.loaded.name)


def reports_of(log: Log, folder: Path, say: Say, bar: bool, name: str) -> list[Report]:
    """Where a stage is reported: its logs on disk, what watches runs, and people."""
    from vistune.train.reports.boards import TensorBoard, WandB
    from vistune.train.reports.curve import Curve
    from vistune.train.reports.json_log import JsonLog
    from vistune.train.reports.lines import Bar, Lines

    reports: list[Report] = [JsonLog(folder), Curve(folder)]
    if log.tensorboard and TensorBoard.installed():
        reports.append(TensorBoard(folder))
    if log.wandb is not None:
        reports.append(WandB(log.wandb, folder, {"recipe": name}))
    if bar:
        from rich.console import Console

        reports.append(Bar(Console(stderr=True), log.every))
    else:
        reports.append(Lines(say, log.every))
    return reports


def _silent(text: str) -> None:
    """What the other processes say."""
