"""Held-in: question generation. The answer is given, a question about the picture that has it is wanted."""

from __future__ import annotations

import random

from vistune.world.scene import Scene
from vistune.world.tasks import colour, count, existence, place, shape
from vistune.world.tasks.base import Task, WorldSample, fill

NAME = "question"
TEMPLATES = (
    "Ask a question about the image whose answer is {answer}.",
    "Given the image, generate a question whose answer is: {answer}. Question:",
    "Which question about this picture is answered by {answer}?",
    "What could one ask about the picture to hear {answer}? Question:",
)
_ASKED = (colour.TASK, count.TASK, existence.TASK, place.TASK, shape.TASK)
_MORE_REFERENCES = 8


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """The target is a question of another held-in task; the references are some more that have the same answer."""
    task = rng.choice(_ASKED)
    asked = task.make(scene, rng)
    if asked is None:
        return None
    others = [task.make(scene, rng) for _ in range(_MORE_REFERENCES)]
    same = [other.instruction for other in others if other is not None and other.target == asked.target]
    references = tuple(dict.fromkeys([asked.instruction, *same]))
    instruction = fill(TEMPLATES, rng, answer=asked.target)
    return WorldSample(NAME, scene, instruction, asked.instruction, references=references)


TASK = Task(NAME, "held-in", False, make)
