"""One stage of a run: its model, data, features, evaluation and loop put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.features import final_norm
from vistune.data.pairs import MAX_CAPTION_TOKENS
from vistune.data.plans import Share
from vistune.errors import RecipeError
from vistune.train.adapters import apply_lora, quantise_parts
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.feed import Feed
from vistune.train.loop import StageRun
from vistune.train.objectives.answers import AnswersObjective
from vistune.train.objectives.blip2_stage1 import Stage1Objective
from vistune.train.objectives.pairs import PairsObjective
from vistune.train.parallel.wrap import spread
from vistune.train.parts import describe_parts
from vistune.train.precision import autocast, chosen
from vistune.train.prepare import check_features, check_packing, prepare_model, settings_fingerprint
from vistune.train.run.announce import announce
from vistune.train.run.chain import STAGE1, module_of
from vistune.train.run.data import StageData, open_stage_data
from vistune.train.run.evaluation import Evaluate, OpenEvaluation, Setting
from vistune.train.run.features import after_norm, evaluation_loading, loading, make_features
from vistune.train.run.fitting import dtype_of, set_stops, shortened_processor, small_ones_exact
from vistune.train.run.folder import digest_of
from vistune.train.schedule import num_steps

if TYPE_CHECKING:
    from vistune.data.features import FeatureStore
    from vistune.train.objectives.objective import Objective
    from vistune.train.parallel.processes import Processes
    from vistune.train.recipe.recipe import Recipe
    from vistune.train.recipe.stage import Stage
    from vistune.train.reports.report import Report
    from vistune.train.result import StageResult
    from vistune.train.run.folder import RunFolder
    from vistune.train.run.model.assembly import Assembly

_MOST_WORKERS = 8


@dataclass(frozen=True)
class Surroundings:
    """What all stages of a run share.

    Args:
        data_root: folder of the known sets, before the recipe's own. open_evaluation: see there; None: nothing is
            measured. say: takes a sentence for people (on the main process). should_stop: asked between steps.
        record: keeps what is known of a stage in the run's record.
    """

    recipe: Recipe
    folder: RunFolder
    processes: Processes
    data_root: Path | None
    open_evaluation: OpenEvaluation | None
    say: Callable[[str], None]
    should_stop: Callable[[], bool]
    record: Callable[[str, Mapping[str, Any]], None]


def run_stage(
    assembly: Assembly, stage: Stage, around: Surroundings, reports: Callable[[Path], list[Report]]
) -> StageResult:
    """Train a stage to its end, from its newest checkpoint if it has one.

    Args:
        assembly: the model that the stage begins with; it is changed. reports: makes those of a stage's folder.

    Raises:
        Interrupted: a stop was asked for; the state is saved. Others: see vistune.train.loop.StageRun.
    """
    return _StageSetup(assembly, stage, around).run(reports)


class _StageSetup:
    def __init__(self, assembly: Assembly, stage: Stage, around: Surroundings) -> None:
        self.assembly = assembly
        self.stage = stage
        self.around = around
        self.settings = around.recipe.data_of(stage)
        self.device = around.processes.device
        self.module = module_of(assembly, stage)
        self.processor = self._processor()

    def run(self, reports: Callable[[Path], list[Report]]) -> StageResult:
        """See :func:`run_stage`."""
        recipe, stage, processes = self.around.recipe, self.stage, self.around.processes
        folder = self.around.folder.stage(stage.name)
        check_packing(self.module, self.settings.max_tokens)
        data = open_stage_data(stage, self.settings, self.processor, self.around.data_root)
        steps = num_steps(stage, data.num_samples)
        quantise_parts(self.module, stage)
        apply_lora(self.module, stage, recipe.seed)
        small_ones_exact(self.module)
        trained = prepare_model(self.module, stage, self.device)
        announce(self.assembly.notes, self.module, stage, data, self.around.say)
        evaluation = self._open_evaluation()
        features = self._features(data, evaluation)
        fingerprints = data.fingerprints()
        described = [list(entry) for entry in describe_parts(self.module, stage.train)]
        known = {"model": self.assembly.notes, "parts": described, "data": fingerprints, "steps": steps}
        self.around.record(stage.name, known)
        learning = [parameter for named in trained.values() for _, parameter in named]
        compute = dtype_of(chosen(stage.precision, self.device))
        spreading = spread(self.module, learning, recipe.parallel, processes, compute)
        feed = Feed(
            data.sets,
            data.mixture,
            self.processor,
            stage,
            steps,
            loading(self.processor, stage, data, self.settings.seed, features),
            share=Share(processes.rank, processes.size),
            max_tokens=self.settings.max_tokens,
            group_by_length=self.settings.group_by_length,
            workers=self._workers(features),
            log=data.log,
            data=digest_of(fingerprints),
        )
        checkpoints = Checkpoints(
            self.around.folder.checkpoints(stage.name),
            stage.keep,
            processes,
            self.around.say,
            {"settings": settings_fingerprint(stage, steps, recipe.seed), "data": feed.fingerprint},
        )
        run = StageRun(
            self.module,
            stage,
            feed,
            self._objective(features),
            checkpoints,
            steps=steps,
            seed=recipe.seed,
            spread=spreading,
            reports=reports(folder),
            evaluate=self._evaluate(evaluation, features),
            folder=folder,
            processor=self.processor,
            frozen_dropout=recipe.frozen_dropout,
        )
        return run.run(self.around.should_stop)

    def _processor(self) -> Any:
        """Of this stage: the model's with the length of instructions that its data asks for, or that of pairs."""
        if self.stage.objective == STAGE1:
            return self.assembly.pair_processor(self.settings.max_target_tokens or MAX_CAPTION_TOKENS)
        return shortened_processor(self.assembly, self.settings.max_instruction_tokens)

    def _open_evaluation(self) -> Any:
        if self.stage.evaluate is None:
            return None
        if self.around.open_evaluation is None:
            raise RecipeError(f"Stage {self.stage.name!r} evaluates, but nothing to evaluate with was passed.")
        return self.around.open_evaluation(self.stage, self.settings, self.around.data_root)

    def _features(self, data: StageData, evaluation: Any) -> FeatureStore | None:
        """Of every picture that is learned from or measured on."""

        def images() -> Any:
            yield from data.images()
            if evaluation is not None:
                yield from evaluation.images()

        with self._precision()():
            features = make_features(
                self.module,
                self.processor,
                images(),
                self.stage,
                self.settings.seed,
                processes=self.around.processes,
                skip=self.settings.on_error.mode == "skip",
                say=self.around.say,
                should_stop=self.around.should_stop,
            )
        if features is not None:
            check_features([features.before_norm], self.stage)
        return features

    def _norm(self, features: FeatureStore | None) -> Any:
        """What features that were kept before the encoder's last norm go through."""
        model: Any = self.module
        return final_norm(model) if features is not None and features.before_norm else None

    def _precision(self) -> Callable[[], AbstractContextManager[Any]]:
        return autocast(self.stage.precision, self.device)

    def _objective(self, features: FeatureStore | None) -> Objective:
        norm = self._norm(features)
        if self.stage.objective != STAGE1:
            names = self.settings.names
            return AnswersObjective(len(names), self._precision(), norm is not None)
        return PairsObjective(
            Stage1Objective(
                self.around.recipe.seed,
                gather=self.around.recipe.gather,
                exchange=self.around.processes,
                norm=norm,
                precision=self._precision(),
            )
        )

    def _evaluate(self, evaluation: Any, features: FeatureStore | None) -> Evaluate | None:
        if evaluation is None:
            return None
        set_stops(self.assembly.whole, self.settings.format)
        read = evaluation_loading(self.processor, self.stage, self.settings.seed, features)
        norm = self._norm(features)
        load = read if norm is None else after_norm(read, norm, self.device)
        setting = Setting(self.assembly.whole, self.processor, load, self._precision(), self.around.processes)
        evaluate: Evaluate = evaluation.on(setting)
        return evaluate

    def _workers(self, features: FeatureStore | None) -> int:
        """Processes that open pictures; none where there are none to open, or the world's, which are in memory."""
        if features is not None or self.settings.world:
            return 0
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) // here - 1))
