"""From a file, what it builds on and overrides to a checked recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from vistune.data.recipe import PACKAGED as DATA_RECIPES
from vistune.data.recipe import packaged_recipes
from vistune.data.strict_yaml import in_one_sentence, nearest, read_yaml
from vistune.errors import RecipeError
from vistune.train.recipe.locate import find_recipe, name_of
from vistune.train.recipe.mistakes import mistakes_in
from vistune.train.recipe.overrides import apply_overrides
from vistune.train.recipe.recipe import Recipe
from vistune.train.recipe.tree import Node, laid_over, origins_in

# Settings of a set that are relative to the file they stand in.
_PATHS = ("path", "images", "templates")


@dataclass(frozen=True)
class LoadedRecipe:
    """A checked recipe, and where everything in it comes from.

    Args:
        name: that it goes by. path: of its file. tree: its settings with their origins.
        overrides: as they were typed.
    """

    name: str
    path: Path
    recipe: Recipe
    tree: Node = field(repr=False)
    overrides: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        """The run's folder, where nothing else is said."""
        return Path(self.recipe.out).expanduser() if self.recipe.out else Path("runs") / self.name


def load_recipe(path_or_name: str | Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """A recipe from a YAML file, or one that comes with vistune by its name, with ``key=value`` overrides.

    ``base: other`` in a recipe lays it over another one (a name, or a file beside it): mappings are merged, anything
    else is replaced, and ``stages: {NAME: {...}}`` changes the stage of that name. Under ``data`` it names a data
    recipe, such as ``data: {base: instructblip}`` or ``data: instructblip``. What a stage says under ``data`` is laid
    over the recipe's own.

    Raises:
        RecipeError: no such file or name, or everything that is wrong with it at once.
    """
    path = find_recipe(path_or_name)
    root = _whole(path, ())
    mistakes = apply_overrides(root, overrides)
    _fill(root)
    try:
        recipe = Recipe.model_validate(root.plain())
    except ValidationError as error:
        raise RecipeError(in_one_sentence([*mistakes_in(error, Recipe, root, path), *mistakes], path)) from error
    if mistakes:
        raise RecipeError(in_one_sentence(mistakes, path))
    return LoadedRecipe(name_of(path), path, recipe, root, tuple(overrides))


def _whole(path: Path, above: tuple[Path, ...]) -> Node:
    """A file laid over what it builds on."""
    resolved = path.resolve()
    if resolved in above:
        chain = " -> ".join(file.name for file in (*above, resolved))
        raise RecipeError(f"Recipes build on each other in a circle: {chain}; take one `base` out.")
    root = _read(path)
    base = root.get("base")
    if base is None:
        return root
    if not isinstance(base.value, str):
        raise RecipeError(f"{base.origin}: base is {base.value!r}; expected the name of a recipe, or a file.")
    del root.value["base"]
    try:
        below = find_recipe(base.value, path.parent)
    except RecipeError as error:
        raise RecipeError(f"{base.origin}: {error}") from error
    return laid_over(_whole(below, (*above, resolved)), root)


def _read(path: Path) -> Node:
    content, lines = read_yaml(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise RecipeError(f"{path} holds {found}, expected a mapping with `model` and `stages`.")
    root = Node.of(content, origins_in(path, lines))
    _anchor_paths(root, path.parent)
    return root


def _anchor_paths(root: Node, folder: Path) -> None:
    """Files of one's own rows are relative to the recipe's file, wherever the program runs."""
    for place, node in root.walk():
        value = node.value
        inside = len(place) > 2 and place[-3] == "sets" and place[-1] in _PATHS
        if inside and isinstance(value, str) and not value.startswith("hub:"):
            node.value = str(folder / Path(value).expanduser())


def _fill(root: Node) -> None:
    """Data recipes put in their places, the recipe's data under its stages', and its seed under the data's."""
    shared = root.get("data")
    if shared is not None:
        shared = root.value["data"] = _with_base(shared)
    stages = root.get("stages")
    holders = [item for item in _items(stages) if item.is_mapping and item.get("data") is not None]
    for stage in holders:
        own = stage.value["data"]
        # What names rows of its own says so before its data recipe is put in their place.
        stage.value["data"] = _with_base(own if shared is None else laid_over(shared, _spelled_out(own)))
    seed = root.get("seed")
    for holder in (root, *holders):
        data = holder.get("data")
        if seed is not None and data is not None and data.is_mapping:
            data.value.setdefault("seed", seed)


def _items(node: Node | None) -> Iterable[Node]:
    return node.value if node is not None and isinstance(node.value, list) else ()


def _spelled_out(data: Node) -> Node:
    return Node({"base": data}, data.origin) if isinstance(data.value, str) else data


def _with_base(data: Node) -> Node:
    """Data over the data recipe that it names."""
    data = _spelled_out(data)
    base = data.get("base")
    if base is None:
        return data
    own = Node({key: node for key, node in data.value.items() if key != "base"}, data.origin)
    if not isinstance(base.value, str):
        raise RecipeError(f"{base.origin}: base is {base.value!r}; expected the name of a data recipe, or a file.")
    folder = base.origin.file.parent if base.origin.file else Path()
    path = folder / Path(base.value).expanduser()
    if not path.is_file():
        path = DATA_RECIPES / f"{base.value}.yaml"
    if base.value not in packaged_recipes() and not path.is_file():
        hint = nearest(base.value, packaged_recipes()) or f"; expected a YAML file or {', '.join(packaged_recipes())}."
        raise RecipeError(f"{base.origin}: there is no data recipe {base.value!r}{hint}")
    return laid_over(_read(path), own)
