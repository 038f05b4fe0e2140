"""``key=value`` on the command line: one setting of a recipe changed."""

from __future__ import annotations

from collections.abc import Iterable

from vistune.errors import RecipeError
from vistune.train.recipe.tree import Node, Origin, index_of, others_of


def apply_overrides(root: Node, overrides: Iterable[str]) -> list[str]:
    """Change the tree as each ``key=value`` says.

    Keys go down by dots; things in lists are meant by their name or number: ``stages.align.steps=10``,
    ``stages.0.steps=10``, ``data.sets.okvqa.weight=1``. Values are YAML. ``steps`` takes the place of ``epochs``.
    Whether a key is known is checked with the whole recipe.

    Returns:
        what is wrong with them: no ``=``, an empty key, a value that is no YAML, a name that is not in a list, a key
        below a plain value
    """
    wrong = []
    for override in overrides:
        try:
            _apply(root, override)
        except RecipeError as error:
            wrong.append(str(error).removesuffix("."))
    return wrong


def _apply(root: Node, override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise RecipeError(f"override {override!r}: expected key=value, such as seed=1 or stages.0.steps=10.")
    origin = Origin(override=override)
    value = Node.of(_parsed(text, override), lambda place: origin)
    node = root
    for number, part in enumerate(parts[:-1]):
        node = _below(node, part, ".".join(parts[:number]), origin)
    last = parts[-1]
    if isinstance(node.value, list):
        node.value[index_of(node.value, last, origin)] = value
    else:
        _below(node, last, ".".join(parts[:-1]), origin)
        node.value[last] = value
        for other in others_of(last):
            given = node.value.get(other)
            # Two overrides that contradict each other are told.
            if given is not None and given.origin.override is None:
                del node.value[other]


def _below(node: Node, part: str, name: str, origin: Origin) -> Node:
    """The setting called ``part``, made where it is missing."""
    if isinstance(node.value, list):
        index = index_of(node.value, part, origin)
        if isinstance(node.value[index].value, str):
            node.value[index] = Node({"name": node.value[index]}, node.value[index].origin)
        found: Node = node.value[index]
        return found
    if name.split(".")[-1] == "data" and isinstance(node.value, str):
        node.value = {"base": Node(node.value, node.origin)}
    if node.value is None:
        node.value = {}
    if not isinstance(node.value, dict):
        raise RecipeError(f"{origin}: {name} is {node.value!r}, which has nothing called {part!r} below it.")
    below: Node = node.value.setdefault(part, Node(None, origin))
    return below


def _parsed(text: str, override: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it does not parse"
        raise RecipeError(
            f"override {override!r}: the value {text!r} is no YAML ({problem}); put texts with special characters "
            "in quotes."
        ) from error
