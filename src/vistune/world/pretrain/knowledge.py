"""Questions and answers about a scene in the pretraining's own words."""

from __future__ import annotations

import random
from collections.abc import Callable

from vistune.world.pretrain import phrasings
from vistune.world.scene import COLOURS, PLACES, SHAPES, SIZES, Scene, SceneObject
from vistune.world.tasks.base import article, describe, fill, kinds_in, plural, random_kind, unique_name

QA = tuple[str, str]
_NUMBERS = tuple("012345")
_SPATIAL_WHICH = 0.35


def colour(scene: Scene, rng: random.Random) -> QA | None:
    """The colour of a named object."""
    return _attribute("colour", scene, rng)


def shape(scene: Scene, rng: random.Random) -> QA | None:
    """The shape of a named object."""
    return _attribute("shape", scene, rng)


def place(scene: Scene, rng: random.Random) -> QA | None:
    """The place of a named object."""
    return _attribute("place", scene, rng)


def size(scene: Scene, rng: random.Random) -> QA | None:
    """The size of a named object."""
    return _attribute("size", scene, rng)


_ATTRIBUTES = {
    "colour": (phrasings.COLOUR, COLOURS),
    "shape": (phrasings.SHAPE, SHAPES),
    "place": (phrasings.PLACE, PLACES),
    "size": (phrasings.SIZE, SIZES),
}


def _attribute(name: str, scene: Scene, rng: random.Random) -> QA | None:
    item = rng.choice(scene.objects)
    thing = _name(scene, item, rng, without=name)
    if thing is None:
        return None
    return fill(_ATTRIBUTES[name][0], rng, thing=thing), str(getattr(item, name))


def _name(scene: Scene, item: SceneObject, rng: random.Random, without: str) -> str | None:
    """As the tasks name objects, in a quarter of the cases by the place."""
    if without != "place" and rng.random() < 0.25:
        noun = item.shape if without != "shape" and rng.random() < 0.3 else rng.choice(("object", "thing"))
        return f"{noun} at the {item.place}"
    thing = unique_name(scene, item, rng, without=without)
    if thing is not None and rng.random() < 0.3:
        thing = thing.replace("object", "thing")
    return thing


def count(scene: Scene, rng: random.Random) -> QA:
    """How many objects of a kind there are; small and large numbers alike."""
    numbers: dict[int, list[dict[str, str]]] = {len(scene.objects): [{}]}
    for kind in [*kinds_in(scene), random_kind(rng)]:
        numbers.setdefault(len(scene.matching(**kind)), []).append(kind)
    number = rng.choice(sorted(numbers))
    return fill(phrasings.COUNT, rng, things=plural(describe(**rng.choice(numbers[number])))), str(number)


def existence(scene: Scene, rng: random.Random) -> QA:
    """Whether there is an object of a kind; half of the absent kinds mix two objects that are there."""
    if rng.random() < 0.5:
        kind, answer = rng.choice(kinds_in(scene)), "yes"
    else:
        one, other = rng.choice(scene.objects), rng.choice(scene.objects)
        kind, answer = {"colour": one.colour, "shape": other.shape}, "no"
        while scene.matching(**kind):
            kind = random_kind(rng)
    return fill(phrasings.EXISTENCE, rng, thing=article(describe(**kind))), answer


def spatial(scene: Scene, rng: random.Random) -> QA | None:
    """Whether a statement about two objects is true."""
    if len(scene.objects) < 2:
        return None
    one, other = rng.sample(scene.objects, 2)
    names = (unique_name(scene, one, rng), unique_name(scene, other, rng))
    if names[0] is None or names[1] is None:
        return None
    if rng.random() < _SPATIAL_WHICH:
        return _which_side(one, other, {"one": names[0], "other": names[1]}, rng)
    axes = []
    if one.column != other.column:
        axes += [(pair, one.column < other.column) for pair in phrasings.RELATIONS[:2]]
    if one.row != other.row:
        axes += [(pair, one.row < other.row) for pair in phrasings.RELATIONS[2:]]
    (first, second), first_holds = rng.choice(axes)
    holds = rng.random() < 0.5
    relation = first if first_holds == holds else second
    if rng.random() < 0.2:
        question = fill(phrasings.SPATIAL_YES_NO, rng, one=names[0], relation=relation, other=names[1])
        return question, "yes" if holds else "no"
    question = fill(phrasings.SPATIAL, rng, one=names[0], relation=relation, other=names[1])
    return question, "true" if holds else "false"


def _which_side(one: SceneObject, other: SceneObject, names: dict[str, str], rng: random.Random) -> QA:
    sides = {"left": one.column < other.column, "right": one.column > other.column}
    sides |= {"above": one.row < other.row, "below": one.row > other.row}
    fitting = [wording for wording in phrasings.SPATIAL_WHICH if sides[wording[1]] or sides[wording[2]]]
    wording, first, second = rng.choice(fitting)
    return wording.format(**names), first if sides[first] else second


_CHOICES: tuple[tuple[Callable[[Scene, random.Random], QA | None], tuple[str, ...]], ...] = (
    (colour, COLOURS),
    (shape, SHAPES),
    (place, PLACES),
    (count, _NUMBERS),
)


def choice(scene: Scene, rng: random.Random) -> QA | None:
    """A question with two to four options; the answer is the option's text."""
    ask, answers = rng.choice(_CHOICES)
    asked = ask(scene, rng)
    if asked is None:
        return None
    question, answer = asked
    wrong = [text for text in answers if text != answer]
    options = [answer, *rng.sample(wrong, rng.choice((1, 2, 3, 3)))]
    rng.shuffle(options)
    style = rng.choice(phrasings.OPTION_STYLES)
    listed = " ".join(style.format(letter=letter, text=text) for letter, text in zip("abcd", options, strict=False))
    return fill(phrasings.CHOICE, rng, question=question, options=listed.removesuffix(" or")), answer


def dialogue(scene: Scene, rng: random.Random) -> QA | None:
    """Two questions about one object, the second one about "it"."""
    item = rng.choice(scene.objects)
    first, second = rng.sample(sorted(_ATTRIBUTES), 2)
    thing = unique_name(scene, item, rng, without=first)
    if thing is None:
        return None
    question = fill(_ATTRIBUTES[first][0], rng, thing=thing)
    follow_up = fill(_ATTRIBUTES[second][0], rng, thing="it").replace("the it", "it")
    text = fill(phrasings.DIALOGUE, rng, first=question, answer=str(getattr(item, first)), second=follow_up)
    return text, str(getattr(item, second))


def caption(scene: Scene, rng: random.Random) -> QA:
    """All objects with their places, in reading order."""
    form, joint = rng.choice(phrasings.CAPTION_OBJECT), rng.choice(phrasings.CAPTION_JOINTS)
    lead = rng.choice(("", "", "there is ", "we see "))
    parts = [
        form.format(thing=article(describe(item.size, item.colour, item.shape)), place=item.place)
        for item in scene.objects
    ]
    return rng.choice(phrasings.CAPTION), lead + joint.join(parts)


def question(scene: Scene, rng: random.Random) -> QA | None:
    """A question for a given answer."""
    asked = rng.choice((colour, shape, place, count, existence))(scene, rng)
    if asked is None:
        return None
    text, answer = asked
    if rng.random() < 0.7:
        text = text[0].upper() + text[1:]
    return fill(phrasings.QUESTION, rng, answer=answer), text


# How often each kind of question is asked. Spatial statements are learned last, so they come most.
WEIGHTS: dict[str, float] = {
    "colour": 0.095,
    "shape": 0.095,
    "place": 0.10,
    "existence": 0.10,
    "count": 0.12,
    "size": 0.06,
    "spatial": 0.17,
    "choice": 0.08,
    "dialogue": 0.08,
    "caption": 0.03,
    "question": 0.07,
}
ASK: dict[str, Callable[[Scene, random.Random], QA | None]] = {
    "colour": colour,
    "shape": shape,
    "place": place,
    "existence": existence,
    "count": count,
    "size": size,
    "spatial": spatial,
    "choice": choice,
    "dialogue": dialogue,
    "caption": caption,
    "question": question,
}
