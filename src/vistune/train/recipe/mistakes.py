"""Everything that is wrong with a recipe in one message, each mistake with its place and what was probably meant."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vistune.data.strict_yaml import nearest
from vistune.train.recipe.strict import SEVERAL
from vistune.train.recipe.tree import Node, Place

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel, ValidationError

_LONGEST = 60
# Pydantic's words for kinds of values are those of Python; these are of YAML.
_EXPECTED = {
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "too_short": "at least one",
    "string_pattern_mismatch": "lower-case letters, digits, '-', '_' and '.' only",
}

_BOUNDS = {
    "greater_than_equal": "at least",
    "greater_than": "more than",
    "less_than_equal": "at most",
    "less_than": "less than",
}


def mistakes_in(error: ValidationError, model: type[BaseModel], root: Node, path: Path) -> list[str]:
    """What pydantic found, in the order of the lines.

    Args:
        model: what the recipe was checked against. root: the recipe, with the origin of everything in it.
        path: of the recipe's file; lines of other files are told with their names.
    """
    teller = _Teller(model, root, path)
    told: dict[tuple[str, str], list[str]] = {}
    for mistake in [*error.errors(include_url=False), *_contradictions(error, model, root)]:
        # A list is too short for pydantic where all that stands in it is wrong, which is told already.
        if mistake["type"] == "too_short" and mistake["input"]:
            continue
        for where, what, expected in teller.tell(mistake):
            told.setdefault((where, what), []).append(expected)
    in_order = sorted(told.items(), key=lambda entry: _line(entry[0][0]))
    return [
        where + what + (f", expected {' or '.join(dict.fromkeys(expected))}" if all(expected) else "")
        for (where, what), expected in in_order
    ]


def _line(where: str) -> int:
    """By which mistakes are put in order: lines of the recipe's own file first."""
    number = where.removeprefix("line ").removesuffix(", ")
    return int(number) if number.isdecimal() else sys.maxsize


def _contradictions(error: ValidationError, model: type[BaseModel], root: Node) -> Iterator[Mapping[str, Any]]:
    """Settings that do not go together, which pydantic looks for only where each is right by itself.

    So what is wrong by itself is taken out and all is checked again; of what is then found counts only what blames a
    setting that stands in the recipe.
    """
    from pydantic import ValidationError

    nodes = dict(root.walk())
    content = root.plain()
    for mistake in error.errors(include_url=False):
        place = _in_recipe(nodes, tuple(mistake["loc"]))
        problems = mistake["ctx"]["problems"] if mistake["type"] == SEVERAL else [((), "")]
        for below, _ in problems:
            if mistake["type"] != "too_short" and (*place, *below) in nodes:
                _take_out(content, (*place, *below))
    try:
        model.model_validate(content)
    except ValidationError as second:
        for mistake in second.errors(include_url=False):
            place = _in_recipe(nodes, tuple(mistake["loc"]))
            problems = mistake["ctx"]["problems"] if mistake["type"] == SEVERAL else []
            sure = [problem for problem in problems if problem[0] and (*place, *problem[0]) in nodes]
            if sure:
                yield {**mistake, "ctx": {"problems": sure}}


def _take_out(content: Any, place: Place) -> None:
    """What is taken out already stays out; items of lists stay, as others are meant by their number."""
    for part in place[:-1]:
        content = content.get(part) if isinstance(content, dict) else content[part]
        if content is None:
            return
    if isinstance(content, dict) and place:
        content.pop(place[-1], None)


def _in_recipe(nodes: Mapping[Place, Node], place: Place) -> Place:
    """The place in the recipe: pydantic adds the names of a union's members, and of keys, to it."""
    real: Place = ()
    for part in place:
        if (*real, part) in nodes:
            real = (*real, part)
    return real


class _Teller:
    def __init__(self, model: type[BaseModel], root: Node, path: Path) -> None:
        self._model = model
        self._nodes = dict(root.walk())
        self._path = path

    def tell(self, mistake: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """(where, what, what was expected): members of a union that all refuse differ in the last only."""
        kind, place = str(mistake["type"]), tuple(mistake["loc"])
        if self._told_above(place):
            return
        if kind == SEVERAL:
            for below, message in mistake["ctx"]["problems"]:
                yield self._where((*self._real(place), *below)), self._told((*place, *below), message), ""
            return
        if kind in ("extra_forbidden", "missing"):
            inner = (*self._real(place[:-1]), place[-1])
            yield self._where(inner), self._key(kind, inner), ""
            return
        is_key = place[-1:] == ("[key]",)
        real = self._real(place)
        if is_key:
            given = str(place[-2])
            yield self._where(real), f"unknown key {_name(real)!r}{_choose(given, mistake)}", ""
            return
        what = f"{_name(real)} is {_short(mistake['input'])}"
        if kind == "literal_error":
            yield self._where(real), what, f"{mistake['ctx']['expected']}{_meant(mistake)}"
            return
        if kind in _BOUNDS:
            limit = next(value for name, value in mistake["ctx"].items() if name in ("ge", "gt", "le", "lt"))
            yield self._where(real), what, f"{_BOUNDS[kind]} {limit if isinstance(limit, int) else format(limit, 'g')}"
            return
        message = str(mistake["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
        yield self._where(real), what, _EXPECTED.get(kind, message[:1].lower() + message[1:])

    def _told_above(self, place: Place) -> bool:
        """Whether it stands in the recipe's own data, which lie under every stage's."""
        real = self._real(place)
        if len(real) <= 3 or real[0] != "stages" or real[2] != "data":
            return False
        return self._nodes.get(("data", *real[3:])) is self._nodes[real]

    def _told(self, place: Place, message: str) -> str:
        real = self._real(place)
        node = self._nodes.get(real)
        value = f" is {_short(node.value)}" if node is not None and _is_plain(node.value) else ""
        return f"{_name(real)}{value}: {message}"

    def _key(self, kind: str, place: Place) -> str:
        name = _name(place)
        if kind == "missing":
            return f"{name!r} is missing"
        known = known_keys(self._model, place[:-1])
        hint = nearest(str(place[-1]), known) or f"; known here: {', '.join(sorted(known))}"
        return f"unknown key {name!r}{hint}"

    def _real(self, place: Place) -> Place:
        return _in_recipe(self._nodes, place)

    def _where(self, place: Place) -> str:
        for end in range(len(place), 0, -1):
            node = self._nodes.get(place[:end])
            if node is None:
                continue
            origin = node.origin
            if origin.override is not None or origin.file != self._path:
                return f"{origin}, "
            if origin.line is not None:
                return f"line {origin.line}, "
        return ""


def known_keys(model: Any, place: Place) -> list[str]:
    """Names of the settings at a place, found by following the annotations."""
    for part in place:
        if isinstance(part, int):
            continue
        fields = getattr(model, "model_fields", {})
        found = next((field for name, field in fields.items() if (field.alias or name) == part), None)
        model = _settings_within(found.annotation) if found is not None else model
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def _settings_within(annotation: Any) -> Any:
    """The settings class inside list[X], dict[str, X], X | None."""
    from typing import get_args

    if hasattr(annotation, "model_fields"):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _settings_within(inner)) is not None), None)


def _choose(given: str, mistake: Mapping[str, Any]) -> str:
    choices = _choices(mistake)
    return nearest(given, choices) or f"; known here: {', '.join(choices)}"


def _meant(mistake: Mapping[str, Any]) -> str:
    hint = nearest(str(mistake["input"]), _choices(mistake))
    return hint.removesuffix("?").replace("; did you mean", " (did you mean") + "?)" if hint else ""


def _choices(mistake: Mapping[str, Any]) -> list[str]:
    expected = str(mistake.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ", ").split(",") if word.strip()]


def _name(place: Place) -> str:
    return ".".join(str(part) for part in place) or "the recipe"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _is_plain(value: Any) -> bool:
    return not isinstance(value, dict | list)
