"""The data of a recipe: known sets and one's own rows, or tasks of the picture world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field, field_validator, model_validator

from vistune.data.recipe import DataRecipe, SetChoice
from vistune.data.strict_yaml import nearest
from vistune.train.recipe.strict import Problem, raise_problems


class Data(DataRecipe):
    """What is learned from: everything of a DataRecipe (vistune.data.recipe), or rows of the picture world.

    Args:
        sets: data sets; see SetChoice.
        world: instead of sets, number of rows by task of the picture world, such as {caption: 12000}.
        max_instruction_tokens, max_target_tokens: longer instructions lose their beginning, longer targets their end
            (LAVIS: 128 and 256); None: neither does.
        group_by_length: batches of samples of like length and modality, the alternative to packed rows (LLaVA).
    """

    sets: tuple[SetChoice, ...] = ()
    world: dict[str, int] = Field(default={})
    max_instruction_tokens: int | None = Field(default=None, ge=1)
    max_target_tokens: int | None = Field(default=None, ge=1)
    group_by_length: bool = False

    @field_validator("world")
    @classmethod
    def _held_in(cls, world: dict[str, int]) -> dict[str, int]:
        raise_problems(list(world_task_problems(world, held_out=False)))
        return world

    @model_validator(mode="after")
    def _one_kind(self) -> Data:
        found: list[Problem] = []
        if bool(self.sets) == bool(self.world):
            what = "both sets and world are given" if self.sets else "neither sets nor world is given"
            found.append(((), f"{what}; give one of them"))
        if self.group_by_length and self.max_tokens is not None:
            found.append((("group_by_length",), "rows packed to max_tokens have one length; leave one of them out"))
        found.extend(format_problems(self.format))
        raise_problems(found)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sets or tasks."""
        return tuple(choice.name for choice in self.sets) or tuple(self.world)


def world_task_problems(world: dict[str, int], held_out: bool) -> Iterator[Problem]:
    """Tasks that do not exist or may not be learned from, and numbers of rows that are none."""
    from vistune.world.tasks import TASKS

    for name, rows in world.items():
        if name not in TASKS:
            yield (name,), f"the picture world has no such task{nearest(name, TASKS) or f'; it has {_list(TASKS)}'}"
        elif not held_out and TASKS[name].role == "held-out":
            yield (name,), "this task is held out: it is never learned from, only measured; leave it out"
        elif rows < 1:
            yield (name,), "expected at least one row"


def format_problems(format_name: str | None) -> Iterator[Problem]:
    """A conversation format that there is not."""
    from vistune.data.formats.registry import format_names

    if format_name is not None and format_name not in format_names():
        hint = nearest(format_name, format_names()) or f"; expected one of {_list(format_names())}"
        yield ("format",), f"there is no such conversation format{hint}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
