"""Recipes of the picture world cut down to a few steps, and what their runs leave behind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vistune.train.recipe import LoadedRecipe, load_recipe

BATCH = 8


def cut_down(name: str, features: Path, steps: int = 2, every: int = 2, extra: Iterable[str] = ()) -> list[str]:
    """Overrides that leave a tiny recipe its model and stages, and make everything else small."""
    recipe = load_recipe(name).recipe
    overrides = []
    if recipe.data is not None and recipe.data.world:
        overrides += [f"data.world.{task}=24" for task in recipe.data.world]
    for stage in recipe.stages:
        place = f"stages.{stage.name}"
        overrides += [f"{place}.steps={steps}", f"{place}.epochs=null", f"{place}.batch_size={BATCH}"]
        overrides += [f"{place}.save_every={every}", f"{place}.precision=float32"]
        if stage.warmup_steps is not None:
            overrides.append(f"{place}.warmup_steps=1")
        if stage.micro_batch_size is not None:
            overrides.append(f"{place}.micro_batch_size=4")
        if stage.features is not None:
            overrides.append(f"{place}.features={features}")
        if stage.data is not None and stage.data != recipe.data:
            overrides += [f"{place}.data.world.{task}=24" for task in stage.data.world if stage.data.world[task] != 24]
        if stage.evaluate is not None:
            overrides.append(f"{place}.evaluate.every={every}")
            overrides += [f"{place}.evaluate.world.{task}=4" for task in stage.evaluate.world]
    return [*overrides, *extra]


def small(name: str, features: Path, **options: Any) -> LoadedRecipe:
    """A tiny recipe cut down."""
    return load_recipe(name, cut_down(name, features, **options))


def weights(folder: Path) -> dict[str, Any]:
    """Every tensor of a saved model."""
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for path in sorted(folder.glob("**/*.safetensors")):
        found |= {f"{path.relative_to(folder)}:{name}": value for name, value in load_file(path).items()}
    return found
