"""Recipes written on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest

from vistune.errors import RecipeError
from vistune.train.recipe import LoadedRecipe, load_recipe

SMALL = """\
model:
  vision: {from: "world:clip", feature_layer: -2, keep_cls: false}
  connector: {type: linear}
  language: {from: "world:language"}
data: {world: {caption: 100}}
stages:
  - name: align
    train: {projection: 1.0e-3}
    steps: 10
    batch_size: 4
  - name: instruct
    data: {world: {count: 50, colour: 50}}
    train: {projection: 1.0e-3, language: 1.0e-4}
    epochs: 2
    batch_size: 8
"""


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    """A file with this recipe."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str, *overrides: str) -> LoadedRecipe:
    """The recipe of this text."""
    return load_recipe(written(folder, text), overrides)


def told(folder: Path, text: str, *overrides: str) -> str:
    """What is said about a recipe that is wrong."""
    with pytest.raises(RecipeError) as caught:
        loaded(folder, text, *overrides)
    return str(caught.value)
