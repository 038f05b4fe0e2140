"""Held-in: how many objects of a kind there are."""

from __future__ import annotations

import random

from vistune.world.scene import MAX_OBJECTS, Scene
from vistune.world.tasks.base import Task, WorldSample, answered, describe, fill, kinds_in, plural, random_kind

NAME = "count"
NUMBERS = tuple(str(number) for number in range(MAX_OBJECTS + 1))
TEMPLATES = (
    "How many {things} are there?",
    "How many {things} are in the image?",
    "How many {things} can you see in the picture?",
    "What is the number of {things} in this image?",
    "Count the {things} in the picture.",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """Numbers are drawn first and kinds afterwards, so that large counts come up as often as scenes allow."""
    numbers: dict[int, list[dict[str, str]]] = {len(scene.objects): [{}]}
    for kind in [*kinds_in(scene), random_kind(rng)]:
        numbers.setdefault(len(scene.matching(**kind)), []).append(kind)
    number = rng.choice(sorted(numbers))
    things = plural(describe(**rng.choice(numbers[number])))
    return answered(NAME, scene, fill(TEMPLATES, rng, things=things), str(number), NUMBERS)


TASK = Task(NAME, "held-in", True, make)
