"""A mixture of data sets as a few lines of YAML."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vistune.data.strict_yaml import Lines, nearest, read_yaml, validate
from vistune.data.targets import Targets
from vistune.errors import RecipeError

PACKAGED = Path(__file__).parent / "recipes"

Style = Literal["instruction", "plain", "identifier"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SetChoice(_Strict):
    """One data set of a mixture.

    Args:
        name: of a known set (``vistune data list``), or any name if ``path`` is given.
        split: None: the set's training split.
        weight: factor on the set's probability, on top of size^power.
        path: one's own rows (jsonl, csv, parquet, LLaVA's JSON, ``hub:NAME``), or a folder that ``vistune data build``
            made. Relative to the recipe's file.
        columns: names of the columns of one's own rows where they differ, such as {image: file_name}.
        images: folder that the rows' pictures are relative to; None: that of the file.
        group: whose templates write the instructions; None: the set's own, or for one's own rows none, as they are put.
        templates: YAML file of one's own templates instead. Relative to the recipe's file.
        turns: "whole" learns a conversation as one sample, "split" makes a sample of each turn.
        limit: at most so many rows, the first ones.
        mirror: whether training pictures may be flipped left to right; None: as the set says.
    """

    name: str = Field(min_length=1)
    split: str | None = None
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    path: str | None = None
    columns: dict[str, str] = {}
    images: str | None = None
    group: str | None = None
    templates: str | None = None
    turns: Literal["whole", "split"] = "whole"
    limit: int | None = Field(default=None, ge=1)
    mirror: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known(self) -> SetChoice:
        from vistune.data.catalogue import SOURCES

        if self.path is None and self.name not in SOURCES:
            hint = nearest(self.name, SOURCES) or "; see `vistune data list`"
            raise ValueError(f"the name of a known set, or a path to rows of your own beside it{hint}")
        if self.path is None and (self.columns or self.images):
            raise ValueError("columns and images only together with a path to rows of your own")
        if self.group is not None and self.templates is not None:
            raise ValueError("either a group or a file of templates, not both")
        return self


class BadRows(_Strict):
    """What happens to rows that cannot be used: "raise", or "skip" up to a share of a set's rows."""

    mode: Literal["raise", "skip"] = "raise"
    max_share: float = Field(default=0.01, gt=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _mode_alone(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value


class DataRecipe(_Strict):
    """Data sets and how they are mixed.

    Args:
        sets: at least one.
        data_root: folder of the known sets. The environment variable VISTUNE_DATA_ROOT stands in where it is not given.
        power: probability of a set ~ size^power (InstructBLIP section 2.4: 0.5).
        homogeneous: every step takes one set only, as LAVIS does.
        seed: of the order, the templates and the answers drawn.
        style: "instruction", or the paper's multitask baselines "plain" (no instruction) and "identifier"
            ("[Task:Dataset]"), InstructBLIP section 3.4.
        targets: how the words that are learned are put: "as_written", or "blip_caption": captions as LAVIS trains
            BLIP-2 on them, in lower case and without some signs (`vistune.data.targets`).
        format: conversation format; None: the model's own.
        max_tokens: rows of so many tokens are filled with several samples; None: one sample a row, padded.
        on_error: what happens to bad rows.
    """

    sets: tuple[SetChoice, ...] = Field(min_length=1)
    data_root: str | None = None
    power: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    homogeneous: bool = False
    seed: int = Field(default=0, ge=0, lt=2**31)
    style: Style = "instruction"
    targets: Targets = "as_written"
    format: str | None = None
    max_tokens: int | None = Field(default=None, ge=16)
    on_error: BadRows = BadRows()

    @field_validator("sets")
    @classmethod
    def _names_differ(cls, sets: tuple[SetChoice, ...]) -> tuple[SetChoice, ...]:
        names = [choice.name for choice in sets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"every name once, but {', '.join(twice)} stands twice; give one of them another name")
        return sets

    def root(self, given: Path | None = None) -> Path | None:
        """Folder of the known sets: ``given``, else the recipe's, else VISTUNE_DATA_ROOT."""
        chosen = given or self.data_root or os.environ.get("VISTUNE_DATA_ROOT")
        return Path(chosen).expanduser() if chosen else None


def load_data_recipe(path_or_name: str | Path) -> DataRecipe:
    """A recipe from a YAML file, or one of the packaged ones by its name (``instructblip``, ``llava_stage2``, ...).

    A file that describes a whole run is read too: its mapping ``data`` is the recipe.

    Raises:
        RecipeError: no such file or name, or everything that is wrong with it.
    """
    path = _find(path_or_name)
    content, lines = read_yaml(path)
    if isinstance(content, dict) and "sets" not in content and isinstance(content.get("data"), dict):
        content, lines = content["data"], _below("data", lines)
    if not isinstance(content, dict):
        raise RecipeError(f"{path} holds {type(content).__name__}, expected a mapping with a list `sets`.")
    return _relative_to(path.parent, validate(DataRecipe, content, lines, path))


def packaged_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in PACKAGED.glob("*.yaml"))


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.is_file():
        return path
    packaged = PACKAGED / f"{path_or_name}.yaml"
    if path.parent == Path(".") and packaged.is_file():
        return packaged
    hint = nearest(str(path_or_name), packaged_recipes())
    raise RecipeError(
        f"There is no recipe {str(path_or_name)!r}{hint}; give a YAML file or one of {', '.join(packaged_recipes())}."
    )


def _below(key: str, lines: Lines) -> Lines:
    return {place[1:]: line for place, line in lines.items() if place[0] == key and len(place) > 1}


def _relative_to(folder: Path, recipe: DataRecipe) -> DataRecipe:
    """Paths of one's own files made relative to the recipe's file instead of wherever the program runs."""

    def moved(value: str | None) -> str | None:
        return value if value is None or value.startswith("hub:") else str(folder / Path(value).expanduser())

    sets = tuple(
        choice.model_copy(
            update={"path": moved(choice.path), "images": moved(choice.images), "templates": moved(choice.templates)}
        )
        for choice in recipe.sets
    )
    return recipe.model_copy(update={"sets": sets})
