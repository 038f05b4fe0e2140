"""Held-out: two turns. The second question speaks of "it": the object that the first turn was about."""

from __future__ import annotations

import random

from vistune.world.scene import COLOURS, PLACES, SHAPES, SIZES, Scene
from vistune.world.tasks.base import Task, WorldSample, answered, fill, unique_name

NAME = "dialogue"
HISTORIES = (
    "Question: {first} Answer: {answer}. Question: {second} Answer:",
    "{first} {answer}. {second}",
    "Earlier question: {first} Earlier answer: {answer}. Now: {second}",
    "I asked: {first} You said: {answer}. {second}",
)
_QUESTIONS = {
    "colour": ("What color is {thing}?", "What is the color of {thing}?"),
    "shape": ("What shape is {thing}?", "What is the shape of {thing}?"),
    "place": ("Where is {thing}?", "What is the position of {thing}?"),
    "size": ("What size is {thing}?", "Is {thing} small or large?"),
}
_CANDIDATES = {"colour": COLOURS, "shape": SHAPES, "place": PLACES, "size": SIZES}


def make(scene: Scene, rng: random.Random) -> WorldSample | None:
    """First turn: an attribute of a named object. Second turn: another attribute of "it"."""
    item = rng.choice(scene.objects)
    first, second = rng.sample(sorted(_QUESTIONS), 2)
    thing = unique_name(scene, item, rng, without=first)
    if thing is None or second in _attributes_named(thing, item.shape, item.colour, item.size):
        return None
    question = fill(_QUESTIONS[first], rng, thing=f"the {thing}")
    answer = str(getattr(item, first))
    follow_up = fill(_QUESTIONS[second], rng, thing="it")
    instruction = fill(HISTORIES, rng, first=question, answer=answer, second=follow_up)
    target = str(getattr(item, second))
    return answered(NAME, scene, instruction, target, _CANDIDATES[second], ((question, answer),))


def _attributes_named(thing: str, shape: str, colour: str, size: str) -> set[str]:
    """Attributes that the first question gives away."""
    words = thing.split()
    return {name for name, value in (("shape", shape), ("colour", colour), ("size", size)) if value in words}


TASK = Task(NAME, "held-out", True, make)
