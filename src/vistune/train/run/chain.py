"""The chain of stages: what each begins with, and the same model again from what the stages before left on the disk.

A stage always begins from the recipe's model, made anew, with the checkpoints of the stages before laid over it. So a
run that was stopped goes on with the same weights as one that was not, and casting frozen weights to fewer bits for one
stage takes nothing from a later one that trains them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.errors import ResumeError
from vistune.model.lora import merge_lora
from vistune.train.adapters import apply_lora
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.parts import Model, select_parts
from vistune.train.run.model.assemble import assemble
from vistune.train.run.model.assembly import Assembly

if TYPE_CHECKING:
    from vistune.train.parallel.processes import Processes
    from vistune.train.recipe.recipe import Recipe
    from vistune.train.recipe.stage import Stage
    from vistune.train.run.folder import RunFolder

STAGE1 = "blip2_stage1"


@dataclass(frozen=True)
class Finished:
    """A finished stage and the checkpoint that is gone on from."""

    stage: Stage
    checkpoint: Path


class Chain:
    """The stages of a recipe in the folder of its run.

    Args:
        say: told of damaged checkpoints.
    """

    def __init__(self, recipe: Recipe, folder: RunFolder, processes: Processes, say: Callable[[str], None]) -> None:
        self._recipe = recipe
        self._folder = folder
        self._processes = processes
        self._say = say
        self._captions = any(stage.objective == STAGE1 for stage in recipe.stages)

    def model_before(self, number: int) -> Assembly:
        """The model that a stage begins with; the stages before are finished. A collective.

        Raises:
            CheckpointError, RecipeError: the recipe's model cannot be put together. ResumeError: a checkpoint is
                missing or damaged.
        """
        return self._with(self._before(number))

    def final_model(self) -> tuple[Assembly, Finished]:
        """The model after the last stage, at its best checkpoint where it was measured, and that stage. A collective.

        Adapters of the last stage are still adapters.
        """
        last = len(self._recipe.stages) - 1
        stage = self._recipe.stages[last]
        finished = self._finished(last, best=stage.evaluate is not None)
        assembly = self._with(self._before(last))
        self._apply(assembly, finished, merge=False)
        return assembly, finished

    def _before_names(self, number: int) -> list[int]:
        """Numbers of the stages that this one builds on."""
        if number == 0 or self._recipe.stages[number].start_from == "model":
            return []
        return [*self._before_names(number - 1), number - 1]

    def _before(self, number: int) -> list[Finished]:
        stages = self._recipe.stages
        return [
            self._finished(earlier, best=stages[earlier + 1].start_from == "best")
            for earlier in self._before_names(number)
        ]

    def _finished(self, number: int, best: bool) -> Finished:
        stage = self._recipe.stages[number]
        checkpoints = self._checkpoints(stage)
        path = (checkpoints.best() if best else None) or checkpoints.newest()
        if path is None:
            raise ResumeError(
                f"Stage {stage.name!r} is finished, but {str(self._folder.checkpoints(stage.name))!r} holds no "
                "checkpoint of it; bring it back, or delete the stage's folder to train it again."
            )
        return Finished(stage, path)

    def _checkpoints(self, stage: Stage) -> Checkpoints:
        return Checkpoints(self._folder.checkpoints(stage.name), stage.keep, self._processes, self._say)

    def _with(self, finished: list[Finished]) -> Assembly:
        assembly = assemble(self._recipe.model, self._recipe.seed, self._captions)
        for one in finished:
            self._apply(assembly, one, merge=True)
            assembly.trained = True
        return assembly

    def _apply(self, assembly: Assembly, finished: Finished, merge: bool) -> None:
        """Lay what a stage has learned over the model."""
        module = module_of(assembly, finished.stage)
        apply_lora(module, finished.stage, self._recipe.seed)
        for named in select_parts(module, finished.stage.train).values():
            for _, parameter in named:
                # As it was while it learned.
                parameter.data = parameter.data.float()
        self._checkpoints(finished.stage).load(finished.checkpoint, module, None)
        assembly.notes.append(f"stage {finished.stage.name} at {finished.checkpoint.name}")
        if merge:
            if finished.stage.lora:
                merge_lora(module)
            module.requires_grad_(False)


def module_of(assembly: Assembly, stage: Stage) -> Model:
    """What a stage's objective trains: the first stage's model over the same parts, or the whole."""
    return assembly.stage1() if stage.objective == STAGE1 else assembly.whole
