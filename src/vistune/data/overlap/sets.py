"""Which data sets are compared: those of a recipe on one side, those of a suite on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.strict_yaml import nearest
from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.recipe import DataRecipe, SetChoice

SUITES = ("instructblip", "held-out", "held-in")
"""All that InstructBLIP measures, what it did not train on, what it did; besides, any sets by their names."""


@dataclass(frozen=True)
class NamedRows:
    """A set to go through. label: "okvqa/train"; read: opens its examples."""

    label: str
    read: Callable[[], Iterator[Example]]


def training_sets(recipe: DataRecipe, data_root: Path | None) -> list[NamedRows]:
    """The sets of a recipe.

    Args:
        data_root: of the known sets, in the place of the recipe's own.

    Raises:
        InputError: known sets, and no data root.
    """
    root = recipe.root(data_root)
    return [_training_set(choice, root) for choice in recipe.sets]


def evaluation_sets(suite: str, data_root: Path | None) -> list[NamedRows]:
    """The sets of a suite.

    Args:
        suite: one of `SUITES`, or names of sets with commas between them, each with its split ("gqa:testdev") or
            without; a set may also be a file of one's own rows, or a folder that ``vistune data build`` made.

    Raises:
        InputError: a name that there is not; known sets, and no data root.
    """
    from vistune.data.catalogue import SOURCES, infos

    if suite in SUITES:
        roles = {"instructblip": ("held-in", "held-out")}.get(suite, (suite,))
        wanted = [info.name for info in infos() if info.role in roles and info.eval_split]
    else:
        wanted = [name.strip() for name in suite.split(",") if name.strip()]
    sets = []
    for entry in wanted:
        if entry not in SOURCES and (Path(entry).exists() or Path(entry).suffix):
            sets.append(NamedRows(entry, partial(_own_rows, entry, Path(entry).stem, None, {}, None)))
            continue
        name, _, split = entry.partition(":")
        if name not in SOURCES:
            hint = nearest(name, [*SUITES, *SOURCES]) or f"; expected {', '.join(SUITES)}, or names of data sets"
            raise InputError(f"There is no suite or data set {name!r}{hint}.")
        chosen = split or SOURCES[name].info.eval_split
        if chosen is None:
            raise InputError(f"{name} is not measured on; name a split of it, as in {name}:train.")
        sets.append(_known_set(name, chosen, data_root))
    if not sets:
        raise InputError(f"The suite {suite!r} names no data sets; expected {', '.join(SUITES)}, or names of sets.")
    return sets


def _training_set(choice: SetChoice, root: Path | None) -> NamedRows:
    if choice.path is not None:
        own = partial(_own_rows, choice.path, choice.name, choice.split, choice.columns, choice.images)
        return NamedRows(choice.name, lambda: _limited(own(), choice.limit))
    from vistune.data.catalogue import SOURCES

    split = choice.split or SOURCES[choice.name].info.train_split or ""
    known = _known_set(choice.name, split, root)
    return NamedRows(known.label, lambda: _limited(known.read(), choice.limit))


def _known_set(name: str, split: str, root: Path | None) -> NamedRows:
    if root is None:
        raise InputError(f"Where is {name}? Give the folder of the data sets with --data-root.")

    def read() -> Iterator[Example]:
        from vistune.data.arrow import ArrowExamples, is_built
        from vistune.data.bad_rows import OnError
        from vistune.data.catalogue import source
        from vistune.data.rows import read_rows

        built = root / "built" / name / split
        if is_built(built):
            return iter(ArrowExamples(built))
        chosen = source(name)
        # Rows that cannot be used cannot be trained on either: what is left is what counts here.
        return read_rows(chosen, chosen.files(root), split, OnError("skip", max_share=1.0))

    return NamedRows(f"{name}/{split}", read)


def _own_rows(
    path: str, name: str, split: str | None, columns: Mapping[str, str], images: str | None
) -> Iterator[Example]:
    from vistune.data.arrow import ArrowExamples, is_built
    from vistune.data.bad_rows import OnError
    from vistune.data.own import own_source
    from vistune.data.rows import read_rows

    if is_built(path):
        return iter(ArrowExamples(path))
    source, files = own_source(path, name=name, columns=columns, images=images)
    return read_rows(source, files, split or source.info.train_split or "train", OnError("skip", max_share=1.0))


def _limited(rows: Iterator[Example], limit: int | None) -> Iterator[Example]:
    return rows if limit is None else islice(rows, limit)
