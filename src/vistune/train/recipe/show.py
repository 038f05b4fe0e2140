"""A resolved recipe as YAML, each setting with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vistune.train.recipe.load import LoadedRecipe
from vistune.train.recipe.tree import Node, Place

_COLUMN = 56
# Long lists of small things, of which only what differs from the default is shown.
_COMPACT = "sets"


def resolved_yaml(loaded: LoadedRecipe) -> str:
    """The whole recipe as YAML that loads to the same again; comments name files and lines, overrides and defaults."""
    content = loaded.recipe.model_dump(mode="json", by_alias=True)
    brief = loaded.recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    lines = [f"# {loaded.name}, resolved from {loaded.path.name}", *_Writer(loaded.tree).mapping(content, brief, ())]
    return "\n".join(lines) + "\n"


class _Writer:
    def __init__(self, tree: Node) -> None:
        self._nodes = dict(tree.walk())

    def mapping(self, content: Mapping[str, Any], brief: Any, place: Place) -> Iterator[str]:
        for key, value in content.items():
            below = brief.get(key) if isinstance(brief, Mapping) else None
            yield from self._setting(f"{_flow(key)}:", value, below, (*place, key))

    def _setting(self, head: str, value: Any, brief: Any, place: Place) -> Iterator[str]:
        indent = "  " * (len(place) - 1)
        if isinstance(value, Mapping) and value:
            yield indent + head
            yield from self.mapping(value, brief, place)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield indent + head
            briefs = brief if isinstance(brief, list) else value
            for number, (item, short) in enumerate(zip(value, briefs, strict=True)):
                yield from self._item(item, short, (*place, number))
        else:
            yield self._with_origin(f"{indent}{head} {_flow(value)}", place)

    def _item(self, item: Mapping[str, Any], brief: Any, place: Place) -> Iterator[str]:
        indent = "  " * (len(place) - 1)
        if place[-2] == _COMPACT:
            yield self._with_origin(f"{indent}- {_flow(brief)}", place)
            return
        lines = list(self.mapping(item, brief, place))
        yield f"{indent}- {lines[0].strip()}"
        yield from lines[1:]

    def _with_origin(self, line: str, place: Place) -> str:
        return f"{line:<{_COLUMN}}  # {self._origin(place)}"

    def _origin(self, place: Place) -> str:
        node = self._nodes.get(place)
        if node is None:
            # A shorthand says all that is below it; what else is not written is the default.
            ancestors = (self._nodes.get(place[:end]) for end in range(len(place) - 1, 0, -1))
            node = next((found for found in ancestors if found is not None), None)
            if node is None or isinstance(node.value, dict | list):
                return "default"
        return str(node.origin)


def _flow(value: Any) -> str:
    """A value on one line."""
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...").strip()
