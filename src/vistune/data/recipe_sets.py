"""From a recipe to samples: its sets opened, put into words and mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.arrow import ArrowExamples, is_built
from vistune.data.bad_rows import OnError, RowLog
from vistune.data.instruct import SplitTurns
from vistune.data.instruction_set import InstructionSet
from vistune.data.mixture import Mixture
from vistune.data.recipe import BadRows, DataRecipe, SetChoice
from vistune.data.rows import read_rows
from vistune.errors import DataError, RecipeError

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.data.files import Files
    from vistune.data.processor import Processor
    from vistune.data.sources.base import Source
    from vistune.data.templates.template import Template

# Rows of release files are kept in memory up to this many (about 1 KB each); longer sets are built once.
MAX_ROWS_IN_MEMORY = 2_000_000
_OWN_GROUPS = (("choices", "knowledge_vqa"), ("question", "vqa"), ("caption", "caption"))


@dataclass(frozen=True)
class OpenedSet:
    """A set of a recipe, ready to be put into words.

    Args:
        choice: as the recipe has it. examples: its rows. templates: of its instructions; none where rows have words of
            their own. log: rows that were left out. mirror_safe: pictures may be flipped left to right.
    """

    choice: SetChoice
    examples: Sequence[Example]
    templates: tuple[Template, ...]
    log: RowLog
    mirror_safe: bool

    @property
    def name(self) -> str:
        """Of the set, in the recipe."""
        return self.choice.name


def open_sets(recipe: DataRecipe, data_root: Path | None = None) -> list[OpenedSet]:
    """Every set of a recipe, read or memory-mapped.

    A known set that stands built in its place (`built_place`; ``vistune data build NAME`` writes there) is taken from
    there; others are read from their release files into memory.

    Args:
        data_root: folder of the known sets; None: as `DataRecipe.root` says.

    Raises:
        RecipeError: no data root, an unknown split, group or style. DataError: files that are missing, or bad rows.
    """
    return [_open(choice, recipe, recipe.root(data_root)) for choice in recipe.sets]


def built_place(root: Path, name: str, split: str) -> Path:
    """The folder of a known set that was built: ``ROOT/built/NAME/SPLIT``."""
    return root / "built" / name / split


def instruction_sets(opened: Sequence[OpenedSet], recipe: DataRecipe, processor: Processor) -> list[InstructionSet]:
    """The opened sets as samples of one model."""
    return [
        InstructionSet(
            item.name,
            item.examples,
            processor,
            item.templates,
            recipe.format,
            recipe.seed,
            recipe.max_tokens,
            item.choice.turns,
            targets=recipe.targets,
        )
        for item in opened
    ]


def mixture_of(opened: Sequence[OpenedSet], recipe: DataRecipe) -> Mixture:
    """Which sample of which set comes when, by the sizes of the sets and the recipe's power and weights."""
    sizes = {item.name: _num_samples(item) for item in opened}
    weights = {choice.name: choice.weight for choice in recipe.sets}
    return Mixture(sizes, recipe.power, recipe.seed, weights, recipe.homogeneous)


def _num_samples(item: OpenedSet) -> int:
    return len(SplitTurns(item.examples)) if item.choice.turns == "split" else len(item.examples)


def _open(choice: SetChoice, recipe: DataRecipe, root: Path | None) -> OpenedSet:
    from vistune.data.templates.files import load_templates

    log = RowLog(_on_error(recipe.on_error))
    examples, source = _rows(choice, root, log)
    group = choice.templates or choice.group or _group(source, examples[0])
    # The identifier of a held-out set names its task alone (InstructBLIP section 3.4).
    title = choice.name if source is None else "" if source.info.role == "held-out" else source.info.title
    templates = tuple(load_templates(group, recipe.style, title)) if group else ()
    mirror = choice.mirror if choice.mirror is not None else bool(source and source.info.mirror_safe)
    return OpenedSet(choice, examples, templates, log, mirror)


def _group(source: Source | None, first: Example) -> str | None:
    """Whose templates put the rows into words where the recipe does not say."""
    return own_group(first) if source is None else source.info.templates or source.info.group


def _on_error(given: BadRows) -> OnError:
    return OnError(given.mode, given.max_share)


def _rows(choice: SetChoice, root: Path | None, log: RowLog) -> tuple[Sequence[Example], Source | None]:
    """The rows of a set, and the known set that they are of."""
    if choice.path is not None:
        if is_built(choice.path):
            return _first(ArrowExamples(choice.path), choice), None
        from vistune.data.own import own_source

        own, files = own_source(choice.path, choice.name, choice.columns, choice.images)
        return _read(own, files, choice.split or own.info.train_split or "train", choice, log), None
    from vistune.data.catalogue import source as known

    source = known(choice.name)
    split = choice.split or source.info.train_split
    if split is None:
        raise RecipeError(f"{choice.name} has no training split; name one with `split`.")
    if root is None:
        raise RecipeError(
            f"Where is {choice.name}? Give the folder of the data sets as data_root in the recipe, with --data-root, "
            "or as VISTUNE_DATA_ROOT."
        )
    built = built_place(root, choice.name, split)
    if is_built(built):
        return _first(ArrowExamples(built), choice), source
    expected = source.info.splits.get(split) or 0
    if min(expected, choice.limit or expected) > MAX_ROWS_IN_MEMORY:
        raise DataError(
            f"{choice.name} has about {expected:,} rows, too many to read at every start; build it once with "
            f"`vistune data build {choice.name} --data-root {root} --split {split}`."
        )
    return _read(source, source.files(root), split, choice, log), source


def _read(source: Source, files: Files, split: str, choice: SetChoice, log: RowLog) -> list[Example]:
    rows = list(islice(read_rows(source, files, split, log=log), choice.limit))
    if not rows:
        raise DataError(f"{choice.name} has no rows in its split {split!r}; leave it out, or check its files.")
    return rows


def _first(rows: Sequence[Example], choice: SetChoice) -> Sequence[Example]:
    return rows if choice.limit is None else rows[: choice.limit]


def own_group(first: Example) -> str | None:
    """Whose templates put one's own rows into words, by their first; None where they have words of their own."""
    if first.instruction or first.turns:
        return None
    return next((group for field, group in _OWN_GROUPS if getattr(first, field)), None)
