"""Recipes: a whole run in one typed, strict YAML file; printed and computed without data, accelerator or torch."""

from vistune.train.recipe.load import LoadedRecipe, load_recipe
from vistune.train.recipe.locate import recipe_names, recipe_titles
from vistune.train.recipe.recipe import Recipe
from vistune.train.recipe.show import resolved_yaml
from vistune.train.recipe.stage import Stage

__all__ = ["LoadedRecipe", "Recipe", "Stage", "load_recipe", "recipe_names", "recipe_titles", "resolved_yaml"]
