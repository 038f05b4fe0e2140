"""Settings as a tree whose every piece knows where it was written, and how one tree is laid over another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.data.strict_yaml import Lines, nearest
from vistune.errors import RecipeError

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Origin:
    """Where a setting was written: a line of a file, or an override on the command line as it was typed."""

    file: Path | None = None
    line: int | None = None
    override: str | None = None

    def __str__(self) -> str:
        if self.override is not None:
            return f"override {self.override!r}"
        name = self.file.name if self.file else "somewhere"
        return name if self.line is None else f"{name} line {self.line}"


@dataclass
class Node:
    """A mapping, a list or a plain value, and its origin."""

    value: Any
    origin: Origin

    @classmethod
    def of(cls, content: Any, origin_of: Callable[[Place], Origin], place: Place = ()) -> Node:
        """The tree of what YAML gave."""
        origin = origin_of(place)
        if isinstance(content, dict):
            return cls({key: cls.of(value, origin_of, (*place, key)) for key, value in content.items()}, origin)
        if isinstance(content, list):
            return cls([cls.of(value, origin_of, (*place, i)) for i, value in enumerate(content)], origin)
        return cls(content, origin)

    @property
    def is_mapping(self) -> bool:
        """Whether it has named settings below it."""
        return isinstance(self.value, dict)

    def get(self, key: str) -> Node | None:
        """The setting of this name in a mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def text(self, key: str) -> str | None:
        """The setting of this name, if it is a text."""
        found = self.get(key)
        return found.value if found is not None and isinstance(found.value, str) else None

    def plain(self) -> Any:
        """What YAML would have given for the whole tree."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def walk(self, place: Place = ()) -> Iterator[tuple[Place, Node]]:
        """Every node with its place, this one first."""
        yield place, self
        items: Any = ()
        if isinstance(self.value, dict):
            items = self.value.items()
        elif isinstance(self.value, list):
            items = enumerate(self.value)
        for key, node in items:
            yield from node.walk((*place, key))


def origins_in(path: Path, lines: Lines) -> Callable[[Place], Origin]:
    """Where each place of a file stands."""
    return lambda place: Origin(path, lines.get(place))


# Settings of which there is one: naming one leaves out the others that a recipe below names. The rows that are learned
# from, and the length of a stage and of its warm-up.
_ROWS = ("base", "sets", "world")
ONE_OF = (("steps", "epochs"), ("warmup_steps", "warmup_ratio"))


def laid_over(below: Node, above: Node) -> Node:
    """``above`` over ``below``: mappings are merged, anything else is replaced.

    A mapping over a list of named things (stages, sets) changes those of its keys' names. Data that names other rows
    leaves out the rows below, and ``steps`` the ``epochs``; ``world`` is replaced as a whole.

    Raises:
        RecipeError: a key that names nothing of the list.
    """
    if above.is_mapping and isinstance(below.value, list):
        items = list(below.value)
        for key, node in above.value.items():
            index = index_of(items, str(key), node.origin)
            items[index] = laid_over(_spelled_out(items[index]), node)
        return Node(items, below.origin)
    if not (above.is_mapping and below.is_mapping):
        return above
    merged = dict(below.value)
    if _names_rows(above):
        for key in _ROWS:
            merged.pop(key, None)
    for key in (other for name in above.value for other in others_of(name)):
        merged.pop(key, None)
    for key, node in above.value.items():
        keep = key in merged and key != "world"
        merged[key] = laid_over(merged[key], node) if keep else node
    return Node(merged, above.origin)


def index_of(items: list[Node], key: str, origin: Origin) -> int:
    """Which item of a list is meant by its name or number.

    Raises:
        RecipeError: none is.
    """
    names = [item.value if isinstance(item.value, str) else item.text("name") for item in items]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    known = [name for name in names if name]
    hint = nearest(key, known) or f"; expected {' or '.join(known)}" * bool(known)
    numbers = f" (or 0 to {len(items) - 1})" if items else ""
    raise RecipeError(f"{origin}: nothing in the list is called {key!r}{hint}{numbers}.")


def others_of(key: str) -> Iterator[str]:
    """Settings that say the same thing in another way."""
    for group in ONE_OF:
        if key in group:
            yield from (other for other in group if other != key)


def _names_rows(data: Node) -> bool:
    sets = data.get("sets")
    return data.get("base") is not None or data.get("world") is not None or (sets is not None and not sets.is_mapping)


def _spelled_out(item: Node) -> Node:
    """A name alone, as a mapping with that name."""
    return Node({"name": item}, item.origin) if isinstance(item.value, str) else item
