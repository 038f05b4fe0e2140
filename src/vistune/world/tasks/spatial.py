"""Held-out: a statement about how two objects stand to each other, true or false."""

from __future__ import annotations

import random

from vistune.world.scene import Scene, SceneObject
from vistune.world.tasks.base import Task, WorldSample, answered, fill, unique_name

NAME = "spatial"
ANSWERS = ("true", "false")
RELATIONS = ("to the left of", "to the right of", "above", "below")
TEMPLATES = (
    "The {one} is {relation} the {other}. True or false?",
    "True or false? The {one} is {relation} the {other}.",
    "Is this statement about the image true or false? The {one} is {relation} the {other}.",
    "Based on the picture, is it true or false that the {one} is {relation} the {other}?",
)


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """True and false equally often. False statements are the opposite of a true one."""
    if len(scene.objects) < 2:
        return None
    one, other = rng.sample(scene.objects, 2)
    names = (unique_name(scene, one, rng), unique_name(scene, other, rng))
    true = [relation for relation in RELATIONS if holds(one, relation, other)]
    if names[0] is None or names[1] is None:
        return None
    relation, target = rng.choice(true), "true"
    if rng.random() < 0.5:
        relation, target = RELATIONS[RELATIONS.index(relation) ^ 1], "false"
    instruction = fill(TEMPLATES, rng, one=names[0], relation=relation, other=names[1])
    return answered(NAME, scene, instruction, target, ANSWERS)


def holds(one: SceneObject, relation: str, other: SceneObject) -> bool:
    """Whether `one` stands in the relation to `other`, by rows and columns of the grid."""
    return {
        "to the left of": one.column < other.column,
        "to the right of": one.column > other.column,
        "above": one.row < other.row,
        "below": one.row > other.row,
    }[relation]


TASK = Task(NAME, "held-out", True, make)
