"""Held-in: the colour of one object."""

from __future__ import annotations

import random

from vistune.world.scene import COLOURS, Scene
from vistune.world.tasks.base import Task, WorldSample, answered, fill, unique_name

NAME = "colour"
TEMPLATES = (
    "What color is the {thing}?",
    "What is the color of the {thing}?",
    "Which color does the {thing} have?",
    "Tell me the color of the {thing} in the image.",
    "In the picture, what color is the {thing}?",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """Asks for an object that can be named without its colour."""
    item = rng.choice(scene.objects)
    thing = unique_name(scene, item, rng, without="colour")
    if thing is None:
        return None
    return answered(NAME, scene, fill(TEMPLATES, rng, thing=thing), item.colour, COLOURS)


TASK = Task(NAME, "held-in", True, make)
