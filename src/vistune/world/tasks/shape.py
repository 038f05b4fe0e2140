"""Held-in: the shape of one object."""

from __future__ import annotations

import random

from vistune.world.scene import SHAPES, Scene
from vistune.world.tasks.base import Task, WorldSample, answered, fill

NAME = "shape"
TEMPLATES = (
    "What shape is the {thing}?",
    "What is the shape of the {thing}?",
    "Which shape does the {thing} have?",
    "Tell me the shape of the {thing} in the image.",
    "In the picture, what shape is the {thing}?",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """Asks for an object that its colour, or size and colour, or place single out."""
    item = rng.choice(scene.objects)
    names = [f"object at the {item.place}"]
    if len(scene.matching(colour=item.colour)) == 1:
        names += [f"{item.colour} object", f"{item.colour} thing"]
    elif len(scene.matching(colour=item.colour, size=item.size)) == 1:
        names += [f"{item.size} {item.colour} object", f"{item.size} {item.colour} thing"]
    return answered(NAME, scene, fill(TEMPLATES, rng, thing=rng.choice(names)), item.shape, SHAPES)


TASK = Task(NAME, "held-in", True, make)
