"""Held-in: whether there is an object of a kind."""

from __future__ import annotations

import random

from vistune.world.scene import Scene
from vistune.world.tasks.base import Task, WorldSample, answered, article, describe, fill, kinds_in, random_kind

NAME = "existence"
ANSWERS = ("yes", "no")
TEMPLATES = (
    "Is there {thing} in the image?",
    "Is there {thing}?",
    "Does the picture show {thing}?",
    "Can you see {thing} in this picture?",
    "Does the image contain {thing}?",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """Yes and no equally often; a no with two attributes mostly has both in the scene, on different objects."""
    if rng.random() < 0.5:
        kind = rng.choice(kinds_in(scene))
        target = "yes"
    else:
        kind = _absent(scene, rng)
        target = "no"
    thing = article(describe(**kind))
    return answered(NAME, scene, fill(TEMPLATES, rng, thing=thing), target, ANSWERS)


def _absent(scene: Scene, rng: random.Random) -> dict[str, str]:
    swapped = [
        {"colour": one.colour, "shape": other.shape}
        for one in scene.objects
        for other in scene.objects
        if not scene.matching(colour=one.colour, shape=other.shape)
    ]
    if swapped and rng.random() < 0.5:
        return rng.choice(swapped)
    while True:
        kind = random_kind(rng)
        if not scene.matching(**kind):
            return kind


TASK = Task(NAME, "held-in", True, make)
