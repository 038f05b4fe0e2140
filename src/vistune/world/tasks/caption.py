"""Held-in: a sentence that names every object with its place. Scored by its facts, not by ranking."""

from __future__ import annotations

import random

from vistune.world.scene import Scene, SceneObject
from vistune.world.tasks.base import Task, WorldSample, article, describe, fill

NAME = "caption"
TEMPLATES = (
    "A short image caption:",
    "Write a short description of the image.",
    "Describe the picture.",
    "Briefly describe what the picture shows.",
    "What does this image show?",
    "Use a few words to say what you see.",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """Objects come in reading order; the references have them by columns and from the last to the first too."""
    orders = (
        scene.objects,
        tuple(sorted(scene.objects, key=lambda item: (item.column, item.row))),
        scene.objects[::-1],
    )
    references = tuple(dict.fromkeys(sentence(order) for order in orders))
    return WorldSample(NAME, scene, fill(TEMPLATES, rng), references[0], references=references)


def sentence(objects: tuple[SceneObject, ...]) -> str:
    """Caption of the objects in the order given."""
    phrases = [f"{article(describe(item.size, item.colour, item.shape))} at the {item.place}" for item in objects]
    return " and ".join(phrases)


TASK = Task(NAME, "held-in", False, make)
