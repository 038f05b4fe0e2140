"""Settings from YAML: every mistake at once, with its line and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from vistune.data.strict_yaml import read_yaml, validate
from vistune.errors import RecipeError


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(ge=1)
    colour: str = "red"


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: list[Part]
    first: Part | None = None
    power: float = 0.5


def load(folder: Path, text: str) -> Whole:
    path = folder / "whole.yaml"
    path.write_text(text, encoding="utf-8")
    content, lines = read_yaml(path)
    return validate(Whole, content, lines, path)


def test_right_settings(tmp_path: Path) -> None:
    whole = load(tmp_path, "parts:\n  - {size: 3}\n  - {size: 4, colour: blue}\n")
    assert [part.size for part in whole.parts] == [3, 4]
    assert whole.parts[1].colour == "blue"


def test_all_mistakes_come_at_once_with_their_lines(tmp_path: Path) -> None:
    text = "powr: 1\nparts:\n  - size: 0\n    color: blue\n  - colour: red\nfirst:\n  size: many\n"
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'whole.yaml'} has 5 mistakes: ")
    assert "line 1, unknown key 'powr'; did you mean 'power'?" in message
    assert "line 3, parts.0.size is 0, expected greater than or equal to 1" in message
    assert "line 4, unknown key 'parts.0.color'; did you mean 'colour'?" in message
    assert "line 5, 'parts.1.size' is missing" in message
    assert "line 7, first.size is 'many', expected a valid integer" in message


def test_keys_without_a_likeness_list_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown key 'zzz'; known here: first, parts, power"):
        load(tmp_path, "parts: []\nzzz: 1\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parts: [\n", "line 2: this is no YAML"),
        ("power: 1\nparts: []\npower: 2\n", "line 3: 'power' stands twice, first in line 1"),
        ("", "expected a valid dictionary"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        load(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"There is no file '.*none\.yaml'; give"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("é".encode("latin-1"))
    with pytest.raises(RecipeError, match="cannot be read as UTF-8"):
        read_yaml(tmp_path / "latin.yaml")
