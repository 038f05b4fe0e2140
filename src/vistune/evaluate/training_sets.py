"""What a model is measured on while it trains: known sets, one's own rows, tasks of the picture world."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vistune.data.instruct import SplitTurns
from vistune.data.recipe import DataRecipe, SetChoice
from vistune.data.recipe_sets import OpenedSet, own_group
from vistune.evaluate.measures import Measure, measure_of, own_metric
from vistune.evaluate.protocols import own_protocol, protocol
from vistune.evaluate.run import Scorer
from vistune.evaluate.world_tasks import world_task

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.templates.template import Template
    from vistune.model.config import ModelConfig
    from vistune.train.recipe.data import Data


@dataclass(frozen=True)
class MeasuredSet:
    """Rows to measure on.

    benchmark: asked in the one wording of its benchmark, if there is one for the kind of model, else by ``templates``.
    measure: None: nothing but the loss. score: of a free answer, beside ``measure``, for tasks of the picture world.
    """

    name: str
    examples: Sequence[Example]
    templates: tuple[Template, ...] = ()
    benchmark: bool = False
    measure: Measure | None = None
    score: Scorer | None = None
    max_new_tokens: int = 8


def words_for(item: MeasuredSet, config: ModelConfig) -> tuple[Template, ...]:
    """Templates that put a set to a model: the benchmark's own wording by the paper of its kind, where there is one."""
    wording = protocol(own_protocol(config)).template(item.name) if item.benchmark else None
    return item.templates if wording is None else (wording,)


def world_set(name: str, count: int, data: Data) -> MeasuredSet:
    """A task of the picture world, in the style of what is learned from."""
    from vistune.train.run.data import in_style
    from vistune.world.tasks import TASKS

    task = world_task(name, "val", count, data.seed)
    examples = in_style(task.examples, name, data.style, TASKS[name].role == "held-out")
    return MeasuredSet(
        name, examples, measure=measure_of("accuracy", examples), score=task.score, max_new_tokens=task.max_new_tokens
    )


def evaluation_recipe(choices: Iterable[SetChoice], data: Data) -> DataRecipe:
    """The sets on their evaluation splits, in the style of what is learned from."""
    placed = tuple(
        choice if choice.path is not None or choice.split is not None else _on_eval_split(choice) for choice in choices
    )
    return DataRecipe(
        sets=placed,
        data_root=data.data_root,
        seed=data.seed,
        style=data.style,
        format=data.format,
        on_error=data.on_error,
    )


def _on_eval_split(choice: SetChoice) -> SetChoice:
    from vistune.data.catalogue import source

    return choice.model_copy(update={"split": source(choice.name).info.eval_split})


def data_set(item: OpenedSet, data: Data) -> MeasuredSet:
    """A known set or one's own rows, with the metric of its benchmark."""
    from vistune.data.catalogue import SOURCES

    choice = item.choice
    examples: Sequence[Example] = item.examples
    if choice.turns == "split":
        examples = SplitTurns(examples)
    known = choice.path is None
    metric = SOURCES[choice.name].info.metric if known else own_metric(choice.group or own_group(examples[0]))
    # The style of a baseline, and words of one's own, are kept.
    benchmark = known and data.style == "instruction" and choice.templates is None and choice.group is None
    return MeasuredSet(choice.name, examples, item.templates, benchmark, measure_of(metric, list(examples)))
