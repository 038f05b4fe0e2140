"""Held-in: where one object stands, as one of nine places."""

from __future__ import annotations

import random

from vistune.world.scene import PLACES, Scene
from vistune.world.tasks.base import Task, WorldSample, answered, fill, unique_name

NAME = "place"
TEMPLATES = (
    "Where is the {thing}?",
    "Where is the {thing} in the image?",
    "Where in the picture can the {thing} be found?",
    "What is the position of the {thing}?",
    "In which part of the image is the {thing}?",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """Asks for an object that shape, colour or size single out."""
    item = rng.choice(scene.objects)
    thing = unique_name(scene, item, rng)
    if thing is None:
        return None
    return answered(NAME, scene, fill(TEMPLATES, rng, thing=thing), item.place, PLACES)


TASK = Task(NAME, "held-in", True, make)
