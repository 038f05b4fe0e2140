"""Recipes by name: those that come with vistune, and one's own files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from vistune.data.strict_yaml import nearest, read_yaml
from vistune.errors import RecipeError

_PACKAGE = Path(__file__).resolve().parents[2]


@cache
def recipes_folder() -> Path:
    """The folder of the recipes that come with vistune: in the installed package, or beside ``src`` in a checkout.

    Raises:
        RecipeError: it is in neither place.
    """
    checkout = _PACKAGE.parent.parent / "recipes"
    folder = next((path for path in (_PACKAGE / "recipes", checkout) if path.is_dir()), None)
    if folder is None:
        raise RecipeError(f"The recipes of vistune are missing at {_PACKAGE / 'recipes'}; install vistune again.")
    return folder


def recipe_names() -> list[str]:
    """Names of the recipes that come with vistune, such as ``llava15_7b`` and ``tiny/llava15``."""
    folder = recipes_folder()
    files = (path.relative_to(folder) for path in folder.rglob("*.yaml"))
    return sorted(path.with_suffix("").as_posix() for path in files if path.parts[0] != "claims")


def recipe_titles() -> dict[str, str]:
    """Titles of the recipes that come with vistune, by name."""
    contents = {name: read_yaml(_packaged(name))[0] for name in recipe_names()}
    return {name: str(content.get("title", "")) for name, content in contents.items()}


def find_recipe(path_or_name: str | Path, beside: Path | None = None) -> Path:
    """The file of a recipe.

    Args:
        path_or_name: a YAML file, or the name of a recipe that comes with vistune.
        beside: folder that a file may be relative to, else where the program runs.

    Raises:
        RecipeError: there is no such file or name.
    """
    given = str(path_or_name)
    if not given.strip():
        raise RecipeError("The name of the recipe is empty; give a YAML file or the name of a recipe.")
    path = (beside or Path()) / Path(given).expanduser()
    if path.is_file():
        return path
    if path.is_dir() and not _packaged(given).is_file():
        raise RecipeError(f"{given!r} is a folder; give a YAML file, or a name such as {recipe_names()[0]!r}.")
    if _packaged(given).is_file():
        return _packaged(given)
    if path.suffix in (".yaml", ".yml"):
        hint = nearest(given, [other.name for other in path.parent.glob("*.y*ml")])
        raise RecipeError(f"There is no file {str(path)!r}{hint or '; give the path of a YAML file.'}")
    hint = nearest(given, recipe_names()) or "; `vistune train --list` shows all names, or give a YAML file."
    raise RecipeError(f"There is no recipe {given!r}{hint}")


def name_of(path: Path) -> str:
    """What a recipe is called: its packaged name, or its file's name."""
    folder = recipes_folder()
    resolved = path.resolve()
    inside = resolved.relative_to(folder) if resolved.is_relative_to(folder) else Path(path.name)
    return inside.with_suffix("").as_posix()


def _packaged(name: str) -> Path:
    path = (recipes_folder() / f"{name}.yaml").resolve()
    # A name is no way out of the folder, and an absolute path is no name.
    return path if path.is_relative_to(recipes_folder().resolve()) else Path("/nowhere.yaml")
