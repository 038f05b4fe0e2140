"""What a task of the world is, what a sample is, and the small helpers that the tasks share."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vistune.world.scene import COLOURS, SHAPES, SIZES, Scene, SceneObject


@dataclass(frozen=True)
class WorldSample:
    """One question about one scene.

    `instruction` is the text put to the model, `target` the answer to learn. `candidates` is the list that ranking
    chooses from (None: only generation makes sense) and `answer_index` the target's place in it. `references` are all
    the acceptable texts of a free answer. `history` holds earlier turns (question, answer); they are already written
    out in `instruction`.
    """

    task: str
    scene: Scene
    instruction: str
    target: str
    candidates: tuple[str, ...] | None = None
    references: tuple[str, ...] = ()
    answer_index: int | None = None
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Task:
    """A task: its name, whether models are tuned on it, and how one sample is made from a scene (None: does not fit).

    `is_question` marks the core question tasks, scored by ranking one right answer.
    """

    name: str
    role: str  # "held-in" or "held-out"
    is_question: bool
    make: Callable[[Scene, random.Random], WorldSample | None]


def answered(
    task: str,
    scene: Scene,
    instruction: str,
    target: str,
    candidates: Sequence[str],
    history: tuple[tuple[str, str], ...] = (),
) -> WorldSample:
    """A sample with one right answer among `candidates`."""
    candidates = tuple(candidates)
    return WorldSample(task, scene, instruction, target, candidates, (target,), candidates.index(target), history)


def fill(templates: Sequence[str], rng: random.Random, **words: str) -> str:
    """One of the templates with its places filled."""
    return rng.choice(templates).format(**words)


def unique_name(scene: Scene, item: SceneObject, rng: random.Random, without: str = "") -> str | None:
    """A description that fits `item` and no other object of the scene, never using the attribute `without`.

    None when the attributes that may be used do not single it out.
    """
    forms = [
        form
        for form in (("shape",), ("colour",), ("colour", "shape"), ("size", "colour", "shape"), ("size", "shape"))
        if without not in form
    ]
    rng.shuffle(forms)
    for form in forms:
        values = {name: getattr(item, name) for name in form}
        if len(scene.matching(**values)) == 1:
            return describe(**values)
    return None


def describe(size: str = "", colour: str = "", shape: str = "object") -> str:
    """Noun phrase of the given attributes: "small red circle", "red object"."""
    return " ".join(word for word in (size, colour, shape) if word)


def random_kind(rng: random.Random) -> dict[str, str]:
    """Attributes of a kind of object that may or may not be in a scene: one or two of size, colour and shape."""
    form = rng.choice((("shape",), ("colour",), ("colour", "shape"), ("colour", "shape"), ("size", "shape")))
    values = {"shape": SHAPES, "colour": COLOURS, "size": SIZES}
    return {name: rng.choice(values[name]) for name in form}


def kinds_in(scene: Scene) -> list[dict[str, str]]:
    """All kinds (shape, colour, colour and shape, size and shape) of the scene's objects, without repeats."""
    kinds: list[dict[str, str]] = []
    for item in scene.objects:
        for form in (("shape",), ("colour",), ("colour", "shape"), ("size", "shape")):
            kind = {name: str(getattr(item, name)) for name in form}
            if kind not in kinds:
                kinds.append(kind)
    return kinds


def plural(noun_phrase: str) -> str:
    """Plural of a noun phrase whose last word is one of the world's nouns."""
    return noun_phrase + ("es" if noun_phrase.endswith("cross") else "s")


def article(noun_phrase: str) -> str:
    """The phrase with "a" or "an" in front."""
    return ("an " if noun_phrase[0] in "aeiou" else "a ") + noun_phrase
