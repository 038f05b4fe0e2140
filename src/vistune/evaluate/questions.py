"""Whether a generated question about a scene of the picture world has the answer that was asked for.

There are many right questions, so the text is read back with the world's own templates and answered from the scene.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from vistune.data.sources.world import WorldRow
from vistune.world.scene import COLOURS, PLACES, SHAPES, SIZES, Scene
from vistune.world.tasks import colour, count, existence, place, shape
from vistune.world.tasks.base import plural

_ATTRIBUTES = {"colour": colour.TEMPLATES, "shape": shape.TEMPLATES, "place": place.TEMPLATES}
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
    things = _match(question, count.TEMPLATES, "things")
    kind = None if things is None else _plural_kind(things)
    if kind is not None:
        return str(len(scene.matching(**kind)))
    thing = _match(question, existence.TEMPLATES, "thing")
    kind = None if thing is None else _kind(re.sub(r"^an? ", "", thing))
    if kind is not None:
        return "yes" if scene.matching(**kind) else "no"
    return None


def with_other_questions(rows: Sequence[WorldRow], number: int, seed: int) -> list[WorldRow]:
    """Question generation made rankable: the right question among others that have another answer in this scene."""
    rng = random.Random(f"questions {seed}")
    by_answer: dict[str | None, list[str]] = {}
    for row in rows:
        question = str(row.example.target)
        by_answer.setdefault(answer_of(question, row.scene), []).append(question)
    ranked = []
    for row in rows:
        target = str(row.example.target)
        wanted = answer_of(target, row.scene)
        # Others were asked for the same answer about other pictures: wording and words give nothing away.
        wrong = [text for text in dict.fromkeys(by_answer[wanted]) if answer_of(text, row.scene) != wanted]
        if len(wrong) < number - 1:
            wrong += [text for texts in by_answer.values() for text in texts if answer_of(text, row.scene) != wanted]
        candidates = [target, *rng.sample(list(dict.fromkeys(wrong)), number - 1)]
        rng.shuffle(candidates)
        ranked.append(replace(row, example=replace(row.example, candidates=tuple(candidates))))
    return ranked


def _match(question: str, templates: Sequence[str], slot: str) -> str | None:
    for pattern in _patterns(tuple(templates), slot):
        found = pattern.fullmatch(" ".join(question.split()))
        if found:
            return found.group(1)
    return None


@cache
def _patterns(templates: tuple[str, ...], slot: str) -> tuple[re.Pattern[str], ...]:
    """The longest template first: a short one also fits questions of a longer one, with too much in its place."""
    ordered = sorted(templates, key=len, reverse=True)
    return tuple(re.compile(re.escape(t).replace(re.escape(f"{{{slot}}}"), "(.+?)"), re.IGNORECASE) for t in ordered)


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
