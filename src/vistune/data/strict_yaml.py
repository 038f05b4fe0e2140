"""Settings from YAML files, strictly: every mistake at once, each with its line and the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vistune.errors import RecipeError

if TYPE_CHECKING:
    from pydantic import BaseModel

    Settings = TypeVar("Settings", bound=BaseModel)

# Where a key or a list's item stands in a file, 1-based, by its path from the top.
Lines = dict[tuple[str | int, ...], int]


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """Content of a YAML file and the line of every key and item.

    Raises:
        RecipeError: no such file, no UTF-8, no YAML, or a key that stands twice in one mapping.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecipeError(f"There is no file {str(path)!r}; give the path of a YAML file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as UTF-8 text ({error}); give the path of a YAML file.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise RecipeError(f"{path}{place}: this is no YAML ({problem}); check indentation and quotes.") from error
    lines: Lines = {}
    _collect_lines(node, (), lines, path)
    return content, lines


def _collect_lines(node: Any, place: tuple[str | int, ...], lines: Lines, path: Path) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, key.value)
            line = key.start_mark.line + 1
            if inner in lines:
                raise RecipeError(
                    f"{path}, line {line}: {key.value!r} stands twice, first in line {lines[inner]}; keep one."
                )
            lines[inner] = line
            _collect_lines(value, inner, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + 1
            _collect_lines(value, (*place, index), lines, path)


def validate(model: type[Settings], content: Any, lines: Lines, path: Path | str) -> Settings:
    """Content as a typed settings object.

    Raises:
        RecipeError: everything that is wrong with it, one line a mistake, with line numbers where they are known.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistakes = [_describe(mistake, model, lines) for mistake in error.errors()]
    mistakes = list(dict.fromkeys(mistakes))
    raise RecipeError(in_one_sentence(mistakes, path))


def in_one_sentence(mistakes: Sequence[str], path: Path | str) -> str:
    """All mistakes of a file."""
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    words = f"{path} has {count}: {'; '.join(mistakes)}"
    return words if words.endswith("?") else f"{words}."


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" with the most similar known name, or "" if none is similar."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _describe(mistake: Mapping[str, Any], model: type[BaseModel], lines: Lines) -> str:
    place = tuple(mistake["loc"])
    line = next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)
    where = f"line {line}, " if line else ""
    name = ".".join(str(part) for part in place) or "the file"
    if mistake["type"] == "extra_forbidden":
        known = _known_keys(model, place[:-1])
        hint = nearest(str(place[-1]), known) or f"; known here: {', '.join(sorted(known))}"
        return f"{where}unknown key {name!r}{hint}"
    if mistake["type"] == "missing":
        return f"{where}{name!r} is missing"
    message = mistake["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = message if message != mistake["msg"] and "Value error" in mistake["msg"] else f"expected {message}"
    return f"{where}{name} is {mistake['input']!r}, {expected}"


def _known_keys(model: Any, place: tuple[str | int, ...]) -> list[str]:
    """Names of the settings at a place of the file, found by following the models' annotations."""
    for part in place:
        if isinstance(part, int):
            continue
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            continue  # pydantic adds the name of a union's member to the place
        model = _settings_within(field.annotation)
        if model is None:
            return []
    return list(getattr(model, "model_fields", {}))


def _settings_within(annotation: Any) -> Any:
    """The settings class inside list[X], dict[str, X], X | None or a union with plain values."""
    from typing import get_args

    if hasattr(annotation, "model_fields"):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _settings_within(inner)) is not None), None)
