"""The picture world as Examples: scenes are drawn, rendered and asked about when they are needed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from vistune.data.example import Example
from vistune.world.render import render
from vistune.world.scene import Scene, scenes
from vistune.world.tasks import TASKS, WorldSample, samples

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class WorldRow:
    """An Example and the scene it asks about."""

    example: Example
    scene: Scene


def tuning_examples(sizes: Mapping[str, int], seed: int, image_size: int = 48) -> dict[str, list[Example]]:
    """Training rows by held-in task. The tasks share their scenes, so each picture is rendered and encoded once.

    Args:
        sizes: number of rows by task. image_size: of the pictures, in pixels.

    Raises:
        InputError, ValueError: a task that does not exist, or one that is held out.
    """
    for task in sizes:
        samples(task, "train", 0, seed)
    rng = random.Random(f"tuning {seed}")
    made: dict[str, list[Example]] = {task: [] for task in sizes}
    stream = scenes("train", f"tuning {seed}")
    number = 0
    while wanting := [task for task in sizes if len(made[task]) < sizes[task]]:
        scene = next(stream)
        picture = _rendered(scene, image_size)
        for task in wanting:
            sample = TASKS[task].make(scene, rng)
            if sample is not None:
                made[task].append(_example(sample, f"{task}-{number}", picture))
        number += 1
    return made


@lru_cache(maxsize=2**15)
def _rendered(scene: Scene, image_size: int) -> Image:
    """Stages of a run mostly learn from the same scenes, and then hold the same pictures once."""
    return render(scene, image_size)


def evaluation_rows(task: str, split: str, count: int, seed: int, image_size: int = 48) -> list[WorldRow]:
    """Rows of one task to evaluate on, each about a scene of its own."""
    drawn = samples(task, split, count, seed, allow_held_out=True)
    return [
        WorldRow(_example(sample, f"{split}-{task}-{number}", render(sample.scene, image_size)), sample.scene)
        for number, sample in enumerate(drawn)
    ]


def with_other_captions(rows: Sequence[WorldRow], number: int, seed: int) -> list[WorldRow]:
    """Captions made rankable: the right one among those of ``number - 1`` other scenes with as many objects."""
    rng = random.Random(f"captions {seed}")
    by_count: dict[int, list[str]] = {}
    for row in rows:
        by_count.setdefault(len(row.scene.objects), []).append(str(row.example.target))
    return [_among(row, by_count[len(row.scene.objects)], number, rng) for row in rows]


def _among(row: WorldRow, texts: Sequence[str], number: int, rng: random.Random) -> WorldRow:
    target = str(row.example.target)
    others = list(dict.fromkeys(text for text in texts if text != target and text not in row.example.references))
    candidates = [target, *rng.sample(others, min(number - 1, len(others)))]
    rng.shuffle(candidates)
    return replace(row, example=replace(row.example, candidates=tuple(candidates)))


def _example(sample: WorldSample, name: str, picture: object) -> Example:
    return Example(
        id=name,
        task=sample.task,
        instruction=sample.instruction,
        target=sample.target,
        images=(picture,),  # type: ignore[arg-type]
        candidates=sample.candidates,
        references=sample.references or (sample.target,),
    )
