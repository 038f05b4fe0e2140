"""A whole run: model, data, stages, and how it is spread over processors and reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from vistune.train.recipe.data import Data
from vistune.train.recipe.parts import Model
from vistune.train.recipe.stage import Stage
from vistune.train.recipe.strict import Problem, Strict, off_word


class Log(Strict):
    """Where a run is reported besides its JSON lines.

    Args:
        every: steps between lines on the screen; the JSON log has every step.
        tensorboard: write TensorBoard's files, if it is installed. wandb: project of Weights & Biases; None: none.
    """

    every: int = Field(default=10, ge=1)
    tensorboard: bool = True
    wandb: str | None = Field(default=None, min_length=1)


class Recipe(Strict):
    """Everything that a run is, in one file.

    Args:
        title: what it is, in a line. source: where its numbers come from.
        model: see Model. data: of all stages that do not say otherwise. stages: one after the other.
        seed: of fresh weights, dropout and what else is drawn; the data's own, where it has none.
        out: folder of the run; None: ``runs/`` and the recipe's name.
        parallel: how several processes (torchrun) share the work: "ddp" copies the model, "fsdp" shards it.
        gather: BLIP-2's stage 1 contrasts the samples of all processes: with "full" gradients, or as "published", where
            none go through those of other processes.
        frozen_dropout: "off", or as "published": a frozen T5 keeps its dropout, which LAVIS left on.
        log: see Log.
    """

    title: str = ""
    source: str = ""
    model: Model
    data: Data | None = None
    stages: tuple[Stage, ...] = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    out: str | None = Field(default=None, min_length=1)
    parallel: Literal["none", "ddp", "fsdp"] = "none"
    gather: Literal["full", "published"] = "full"
    frozen_dropout: Annotated[Literal["off", "published"], BeforeValidator(off_word)] = "off"
    log: Log = Log()

    def problems(self) -> Iterator[Problem]:
        """What does not fit together between stages, and between them and the model."""
        names = [stage.name for stage in self.stages]
        for number, stage in enumerate(self.stages):
            place = ("stages", number)
            if names.index(stage.name) != number:
                yield (*place, "name"), f"another stage is called {stage.name!r} too; give every stage its own name"
            if stage.data is None and self.data is None:
                yield place, f"stage {stage.name!r} has no data; give it `data`, or the recipe"
            if stage.start_from == "best" and (number == 0 or self.stages[number - 1].evaluate is None):
                yield (*place, "start_from"), "there is no best checkpoint before it: that needs a stage that evaluates"
            for part in stage.train:
                why = self.model.missing_part(part)
                if why is not None:
                    yield (*place, "train", part), f"{why}; leave it out"
            yield from self._objective_problems(stage, place)

    def _objective_problems(self, stage: Stage, place: tuple[str | int, ...]) -> Iterator[Problem]:
        connector = self.model.connector
        if stage.objective == "blip2_stage1" and connector is not None:
            if connector.type != "qformer" or not connector.text_input:
                yield (*place, "objective"), "blip2_stage1 needs a connector of type qformer with text_input: true"
        elif stage.objective != "blip2_stage1" and connector is not None and self.model.language is None:
            yield (*place, "objective"), f"{stage.objective} needs a language model; name one as model.language"

    def data_of(self, stage: Stage) -> Data:
        """What a stage learns from."""
        data = stage.data or self.data
        if data is None:
            raise ValueError(f"Stage {stage.name!r} has no data; the recipe was not checked.")
        return data
