"""Whether a generated question about a scene of the picture world has the answer that was asked for.

There are many right questions in many wordings: what is asked for and about which object is read from the words, and
answered from the scene.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

from vistune.data.sources.world import WorldRow
from vistune.world.scene import COLOURS, PLACES, SHAPES, SIZES, Scene
from vistune.world.tasks import colour, count, existence, place, shape
from vistune.world.tasks.base import article, describe, plural

_VALUES = {"size": SIZES, "colour": COLOURS, "shape": SHAPES, "place": PLACES}
_TEMPLATES = {
    "thing": (*colour.TEMPLATES, *shape.TEMPLATES, *place.TEMPLATES),
    "things": count.TEMPLATES,
    "a thing": existence.TEMPLATES,
}
# What is asked for, by the first of these that is found in the question.
_ASKED = (
    ("count", r"how many|number of|count"),
    ("colour", r"color|colour"),
    ("shape", r"what shape|which shape|shape (is|does|of|has)"),
    ("place", r"where|position|which part|what place|which place|location|spot"),
    ("existence", r"^(is|are|does|do|can|could)\b|there"),
)
# Attributes by which objects are told apart in a question.
_FORMS = (("shape",), ("colour",), ("colour", "shape"), ("size", "shape"), ("size", "colour", "shape"), ("place",))

Kind = dict[str, str]


def answer_of(question: str, scene: Scene) -> str | None:
    """The answer to a question in any wording; None if it asks for nothing, or is not answerable in this scene."""
    text = " ".join(re.sub(r"[^a-z ]", " ", question.lower()).split())
    asked = next((name for name, pattern in _ASKED if re.search(pattern, text)), None)
    kind = _kind_in(text)
    if asked is None or kind is None:
        return None
    found = scene.matching(**kind)
    if asked == "count":
        return str(len(found)) if kind or re.search(r"objects?|things?", text) else None
    if asked == "existence":
        return ("yes" if found else "no") if kind else None
    if asked in kind or len(found) != 1:
        return None
    return str(getattr(found[0], asked))


def with_other_questions(rows: Sequence[WorldRow], number: int, seed: int) -> list[WorldRow]:
    """Question generation made rankable: the right question among others that have another answer in this scene.

    All candidates of a row have its wording and differ in the object they ask about; if possible they name it by the
    same attributes, so that neither words nor length give the right one away.
    """
    rng = random.Random(f"questions {seed}")
    ranked = []
    for row in rows:
        target = str(row.example.target)
        wanted = answer_of(target, row.scene)
        template, slot, kind = _parsed(target)
        forms = sorted(_FORMS, key=lambda form, kind=kind: (set(form) != set(kind), rng.random()))  # type: ignore[misc]
        wrong: list[str] = []
        for form in forms:
            others = [template.format(**{slot.split()[-1]: _named(slot, other)}) for other in _kinds(form)]
            fitting = [text for text in others if text != target and answer_of(text, row.scene) != wanted]
            wrong += rng.sample(fitting, min(len(fitting), number - 1 - len(wrong)))
        candidates = [target, *wrong]
        rng.shuffle(candidates)
        ranked.append(replace(row, example=replace(row.example, candidates=tuple(candidates))))
    return ranked


def _parsed(question: str) -> tuple[str, str, Kind]:
    """Template, slot and attributes of a question that the world made."""
    for slot, template, pattern in _patterns():
        found = pattern.fullmatch(question)
        kind = _kind_in(found.group(1).lower()) if found else None
        if kind is not None:
            return template, slot, kind
    raise ValueError(f"{question!r} is no question of the world's tasks.")


@cache
def _patterns() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """The longest template first: a short one also fits questions of a longer one, with too much in its place."""
    listed = [(slot, template) for slot, templates in _TEMPLATES.items() for template in templates]
    listed.sort(key=lambda item: len(item[1]), reverse=True)
    return tuple(
        (slot, template, re.compile(re.sub(r"\\{things?\\}", "(.+)", re.escape(template)))) for slot, template in listed
    )


def _kinds(form: Sequence[str]) -> Iterator[Kind]:
    for values in itertools.product(*(_VALUES[name] for name in form)):
        yield dict(zip(form, values, strict=True))


def _named(slot: str, kind: Kind) -> str:
    """The kind as the slot wants it: singular, plural, or with an article."""
    described = {name: value for name, value in kind.items() if name != "place"}
    noun = describe(**described)
    noun = plural(noun) if slot == "things" else article(noun) if slot == "a thing" else noun
    return f"{noun} at the {kind['place']}" if "place" in kind else noun


def _kind_in(text: str) -> Kind | None:
    """All attributes that a text names; None if it names two values of one."""
    kind: Kind = {}
    for name in PLACES:
        if re.search(rf"\b{name}\b", text):
            if "place" in kind:
                return None
            kind["place"] = name
            text = text.replace(name, " ")
    for word in text.split():
        for attribute in ("size", "colour", "shape"):
            singular = next((v for v in _VALUES[attribute] if word in (v, plural(v))), None)
            if singular is not None:
                if attribute in kind:
                    return None
                kind[attribute] = singular
    return kind
