"""Whether a generated question about a scene of the picture world has the answer that was asked for.

There are many right questions, so the text is read back with the wordings of the world's tasks and of the language
model's pretraining, and answered from the scene.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from vistune.data.sources.world import WorldRow
from vistune.world.pretrain import phrasings
from vistune.world.scene import COLOURS, PLACES, SHAPES, SIZES, Scene
from vistune.world.tasks import colour, count, existence, place, samples, shape
from vistune.world.tasks.base import plural

# A language model that stays frozen asks in the words of its pretraining; they are as right as those of the tasks.
_ATTRIBUTES = {
    "colour": (*colour.TEMPLATES, *phrasings.COLOUR),
    "shape": (*shape.TEMPLATES, *phrasings.SHAPE),
    "place": (*place.TEMPLATES, *phrasings.PLACE),
}
_COUNT = (*count.TEMPLATES, *phrasings.COUNT)
_EXISTENCE = (*existence.TEMPLATES, *phrasings.EXISTENCE)
_NUM_OBJECTS = 400
_NOUNS = ("object", "thing")
_AT_PLACE = " at the "


def answer_of(question: str, scene: Scene) -> str | None:
    """The world's answer to a question; None if it is not of the world's wording, or not answerable in this scene."""
    for attribute, templates in _ATTRIBUTES.items():
        thing = _match(question, templates, "thing")
        kind = None if thing is None else _kind(thing)
        if kind is not None:
            found = scene.matching(**kind)
            return str(getattr(found[0], attribute)) if len(found) == 1 else None
    things = _match(question, _COUNT, "things")
    kind = None if things is None else _plural_kind(things)
    if kind is not None:
        return str(len(scene.matching(**kind)))
    thing = _match(question, _EXISTENCE, "thing")
    kind = None if thing is None else _kind(re.sub(r"^an? ", "", thing))
    if kind is not None:
        return "yes" if scene.matching(**kind) else "no"
    return None


def with_other_questions(rows: Sequence[WorldRow], number: int, seed: int) -> list[WorldRow]:
    """Question generation made rankable: the right question among others that have another answer in this scene.

    All have the wording of the right one and differ in the object they ask about, so that neither length nor words give
    the right one away. Objects are those that questions about scenes of the validation split ask about.
    """
    rng = random.Random(f"questions {seed}")
    objects: dict[tuple[str, ...], list[str]] = {}
    for sample in samples("question", "val", _NUM_OBJECTS, seed):
        templates, _, thing = _wording(sample.target)
        objects.setdefault(templates, []).append(thing)
    ranked = []
    for row in rows:
        target = str(row.example.target)
        templates, wording, _ = _wording(target)
        wanted = answer_of(target, row.scene)
        texts = {text: answer_of(text, row.scene) for text in map(wording.format, dict.fromkeys(objects[templates]))}
        wrong = [text for text, answer in texts.items() if answer not in (wanted, None)]
        unanswerable = [text for text, answer in texts.items() if answer is None]
        chosen = rng.sample(wrong, min(number - 1, len(wrong)))
        chosen += rng.sample(unanswerable, min(number - 1 - len(chosen), len(unanswerable)))
        candidates = [target, *chosen]
        rng.shuffle(candidates)
        ranked.append(replace(row, example=replace(row.example, candidates=tuple(candidates))))
    return ranked


def _wording(question: str) -> tuple[tuple[str, ...], str, str]:
    """Templates of the task, the wording with {} for the object, and the object of a question of the world's tasks."""
    tasks = ((colour, "thing"), (shape, "thing"), (place, "thing"), (count, "things"), (existence, "thing"))
    for task, slot in tasks:
        for template, pattern in zip(_longest_first(task.TEMPLATES), _patterns(task.TEMPLATES, slot), strict=True):
            if found := pattern.fullmatch(_plain(question)):
                return task.TEMPLATES, template.replace(f"{{{slot}}}", "{}"), found.group(1)
    raise ValueError(f"{question!r} is no question of the picture world's tasks; expected one of their wordings.")


def _match(question: str, templates: Sequence[str], slot: str) -> str | None:
    for pattern in _patterns(tuple(templates), slot):
        found = pattern.fullmatch(_plain(question))
        if found:
            return found.group(1)
    return None


def _plain(text: str) -> str:
    """Single spaces, no closing mark."""
    return " ".join(text.split()).rstrip("?. ")


def _longest_first(templates: tuple[str, ...]) -> list[str]:
    """A short template also fits questions of a longer one, with too much in its place."""
    return sorted(templates, key=len, reverse=True)


@cache
def _patterns(templates: tuple[str, ...], slot: str) -> tuple[re.Pattern[str], ...]:
    texts = [re.escape(_plain(t)).replace(re.escape(f"{{{slot}}}"), "(.+?)") for t in _longest_first(templates)]
    return tuple(re.compile(text, re.IGNORECASE) for text in texts)


def _kind(thing: str) -> dict[str, str] | None:
    """Attributes in a noun phrase such as "small red circle" or "object at the top left"; None if it is none."""
    described, _, where = thing.partition(_AT_PLACE)
    kind: dict[str, str] = {}
    if where:
        if where not in PLACES:
            return None
        kind["place"] = where
    for word in described.split():
        attribute = next((n for n, v in (("size", SIZES), ("colour", COLOURS), ("shape", SHAPES)) if word in v), None)
        if attribute is None and word in _NOUNS:
            continue
        if attribute is None or attribute in kind:
            return None
        kind[attribute] = word
    return kind


def _plural_kind(things: str) -> dict[str, str] | None:
    words = things.split()
    for noun in (*SHAPES, *_NOUNS):
        if words and words[-1] == plural(noun):
            return _kind(" ".join([*words[:-1], noun]))
    return None
