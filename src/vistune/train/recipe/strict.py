"""What all settings have in common: unknown keys are mistakes, and contradictions are told where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

# A contradiction: the place of the setting to blame, from the class that found it, and what to say about it.
Problem = tuple[tuple[str | int, ...], str]

SEVERAL = "several"
"""Type of the error that carries many problems at once; see vistune.train.recipe.mistakes."""


class Strict(BaseModel):
    """Settings that refuse unknown keys and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def problems(self) -> Iterator[Problem]:
        """Settings that contradict each other; each class names its own."""
        return iter(())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        raise_problems(list(self.problems()))
        return self


def raise_problems(found: list[Problem]) -> None:
    """Tell pydantic of several problems, each at a place of its own."""
    if found:
        text = "; ".join(message for _, message in found)
        raise PydanticCustomError(SEVERAL, "{text}", {"text": text, "problems": found})


def off_word(value: Any) -> Any:
    """YAML reads the bare word ``off`` as false; here it is a word."""
    return "off" if value is False else value
