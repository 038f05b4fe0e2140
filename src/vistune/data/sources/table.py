"""A folder of pictures with rows of image, question and answer in jsonl files: people's own data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import BadRow, Place
from vistune.data.example import Example
from vistune.data.readers import read_jsonl
from vistune.errors import DataError

COLUMNS: dict[str, str] = {"image": "image", "question": "question", "answer": "answer"}
_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Table:
    """Rows to learn from and rows to test on. ``split``: how they were parted, for the report."""

    train: list[Example]
    test: list[Example]
    split: str

    def answers(self) -> dict[str, int]:
        """How often each training answer occurs, the most frequent first."""
        counts: dict[str, int] = {}
        for example in self.train:
            counts[str(example.target)] = counts.get(str(example.target), 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_table(folder: Path, columns: Mapping[str, str] | None = None, task: str = "own data") -> Table:
    """Read ``train.jsonl`` and ``test.jsonl``; a single jsonl file is parted by picture, the same way every time.

    Args:
        folder: pictures are named relative to it. Each row is a JSON object.
        columns: names of the columns "image", "question" and "answer" where they differ.
        task: the examples' task.

    Raises:
        DataError: no such folder or file, a line that is no JSON object, a missing column or picture, an empty split.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}; give one that holds train.jsonl and the pictures.")
    names = {**COLUMNS, **(columns or {})}
    if set(names) != set(COLUMNS):
        raise DataError(f"Unknown columns {sorted(set(names) - set(COLUMNS))}; expected {', '.join(COLUMNS)}.")
    files = sorted(path for path in folder.glob("*.jsonl"))
    train_file, test_file = folder / "train.jsonl", folder / "test.jsonl"
    if train_file in files and test_file in files:
        train, test = (_read(path, names, task) for path in (train_file, test_file))
        return _checked(Table(train, test, "train.jsonl and test.jsonl as they stand"), folder)
    candidates = [train_file] if train_file in files else [path for path in files if path != test_file]
    if len(candidates) != 1:
        found = ", ".join(path.name for path in files) or "no jsonl file"
        raise DataError(
            f"The folder {str(folder)!r} has {found}; expected train.jsonl and test.jsonl, or one jsonl file to split."
        )
    rows = _read(candidates[0], names, task)
    train = [row for row in rows if not _is_test(row, folder)]
    test = [row for row in rows if _is_test(row, folder)]
    split = f"{candidates[0].name} parted by picture, {_TEST_SHARE:.0%} for testing by a hash of the picture's name"
    return _checked(Table(train, test, split), folder)


def _read(path: Path, names: Mapping[str, str], task: str) -> list[Example]:
    known: set[Path] = set()
    examples = []
    for place, row in read_jsonl(path):
        if isinstance(row, BadRow):
            raise row
        if not isinstance(row, dict):
            raise DataError(f"{place}: this is a {type(row).__name__}, expected an object with the row's columns.")
        values = {kind: _value(row, name, kind, place) for kind, name in names.items()}
        image = path.parent / values["image"]
        if image not in known:
            _check_image(image, values["image"], place, path.parent)
            known.add(image)
        name = f"{path.stem}-{place.line}"
        examples.append(Example(name, task, values["question"], values["answer"], (image,)))
    return examples


def _value(row: dict[str, Any], name: str, kind: str, place: Place) -> str:
    if name not in row:
        found = ", ".join(repr(key) for key in row) or "none"
        raise DataError(
            f"{place}: there is no column {name!r} for the {kind}, only {found}; name it with --{kind}-column."
        )
    value = row[name]
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place}: the {kind} in column {name!r} is {value!r}; expected text.")
    return value.strip()


def _check_image(image: Path, given: str, place: Place, folder: Path) -> None:
    if not image.is_file():
        raise DataError(
            f"{place}: there is no picture {given!r} in {str(folder)!r}; paths are relative to that folder."
        )


def _is_test(example: Example, folder: Path) -> bool:
    name = Path(str(example.images[0])).relative_to(folder).as_posix()
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < _TEST_SHARE


def _checked(table: Table, folder: Path) -> Table:
    for name, rows in (("training", table.train), ("test", table.test)):
        if not rows:
            raise DataError(f"The data in {str(folder)!r} gives no {name} rows ({table.split}); add rows.")
    return table
