"""The world's tasks, one small file each, and the one function that makes their samples."""

from __future__ import annotations

import random

from vistune.errors import InputError
from vistune.world.scene import scenes
from vistune.world.tasks import (
    caption,
    choice,
    colour,
    count,
    dialogue,
    existence,
    place,
    question,
    shape,
    size,
    spatial,
)
from vistune.world.tasks.base import Task, WorldSample

__all__ = ["TASKS", "Task", "WorldSample", "samples"]

TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK
    for module in (caption, count, colour, shape, place, existence, question, spatial, choice, size, dialogue)
}


def samples(task: str, split: str, n: int, seed: int, allow_held_out: bool = False) -> list[WorldSample]:
    """`n` samples of a task from one split, at most one a scene; the same for the same seed.

    Held-out tasks have no training samples: asking for them is an error unless `allow_held_out` says that it is meant.
    """
    if task not in TASKS:
        raise InputError(f"unknown task {task!r}: expected one of {', '.join(TASKS)}")
    if n < 0:
        raise InputError(f"cannot make n={n} samples: expected 0 or more")
    if split == "train" and TASKS[task].role == "held-out" and not allow_held_out:
        raise InputError(
            f"task {task!r} is held out and never tuned on: ask for split 'val' or 'test', or pass allow_held_out=True"
        )
    rng = random.Random(f"{task} {split} {seed}")
    stream = scenes(split, f"{task} {seed}")
    made: list[WorldSample] = []
    while len(made) < n:
        sample = TASKS[task].make(next(stream), rng)
        if sample is not None:
            made.append(sample)
    return made
