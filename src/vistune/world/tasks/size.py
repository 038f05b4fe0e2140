"""Held-out: whether one object is small or large."""

from __future__ import annotations

import random

from vistune.world.scene import SIZES, Scene
from vistune.world.tasks.base import Task, WorldSample, answered, fill, unique_name

NAME = "size"
TEMPLATES = (
    "What size is the {thing}?",
    "What is the size of the {thing}?",
    "Is the {thing} small or large?",
    "How big is the {thing} in the picture, small or large?",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """Asks for an object that can be named without its size."""
    item = rng.choice(scene.objects)
    thing = unique_name(scene, item, rng, without="size")
    if thing is None:
        return None
    return answered(NAME, scene, fill(TEMPLATES, rng, thing=thing), item.size, SIZES)


TASK = Task(NAME, "held-out", True, make)
