"""What could only be found wrong hours later, looked at before the first stage: the data of all stages is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.arrow import is_built
from vistune.data.catalogue import source
from vistune.errors import DataError, RecipeError

if TYPE_CHECKING:
    from vistune.data.recipe import SetChoice
    from vistune.train.recipe.data import Data
    from vistune.train.recipe.recipe import Recipe


def check_data(recipe: Recipe, data_root: Path | None) -> None:
    """Look whether every set of every stage has its files; nothing is read.

    Raises:
        RecipeError: no data root. DataError: everything that is missing, at once.
    """
    problems: list[str] = []
    for stage in recipe.stages:
        data = recipe.data_of(stage)
        chosen = [(choice, False) for choice in data.sets]
        if stage.evaluate is not None:
            chosen += [(choice, True) for choice in stage.evaluate.sets]
        problems += [problem for problem in _problems(chosen, data, data_root) if problem not in problems]
    if problems:
        raise DataError(problems[0] if len(problems) == 1 else f"{len(problems)} sets: {' '.join(problems)}")


def _problems(chosen: Iterable[tuple[SetChoice, bool]], data: Data, data_root: Path | None) -> Iterator[str]:
    root = data.root(data_root)
    for choice, evaluated in chosen:
        if choice.path is not None:
            if not choice.path.startswith("hub:") and not Path(choice.path).exists():
                yield f"{choice.name} has no rows: there is no {choice.path!r}; correct its path."
            continue
        if root is None:
            raise RecipeError(
                f"Where is {choice.name}? Give the folder of the data sets as data_root in the recipe, with "
                "--data-root, or as VISTUNE_DATA_ROOT."
            )
        known = source(choice.name)
        split = choice.split or (known.info.eval_split if evaluated else known.info.train_split)
        if split is None or is_built(root / "built" / choice.name / split):
            continue
        try:
            known.paths(known.files(root), split)
        except DataError as error:
            yield str(error)
