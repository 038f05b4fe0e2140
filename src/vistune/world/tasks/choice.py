"""Held-out: a question with four options; the option's text is the answer."""

from __future__ import annotations

import random

from vistune.world.scene import Scene
from vistune.world.tasks import colour, count, place, shape
from vistune.world.tasks.base import Task, WorldSample, answered, fill

NAME = "choice"
TEMPLATES = (
    "{question} Options: {options}.",
    "{question} Choose one of: {options}.",
    "{question} Choose the right answer from {options}.",
    "Look at the picture and choose. {question} {options}",
)
_ASKED = (colour.TASK, count.TASK, place.TASK, shape.TASK)
_NUM_OPTIONS = 4


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """The question is one of a held-in task; the wrong options are other answers of that task."""
    asked = rng.choice(_ASKED).make(scene, rng)
    if asked is None or asked.candidates is None:
        return None
    wrong = [candidate for candidate in asked.candidates if candidate != asked.target]
    options = [asked.target, *rng.sample(wrong, _NUM_OPTIONS - 1)]
    rng.shuffle(options)
    listed = " ".join(f"({letter}) {option}" for letter, option in zip("abcd", options, strict=True))
    instruction = fill(TEMPLATES, rng, question=asked.instruction, options=listed)
    return answered(NAME, scene, instruction, asked.target, options)


TASK = Task(NAME, "held-out", True, make)
