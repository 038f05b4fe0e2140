"""JSON lines by the id of their question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vistune.data.readers import read_jsonl
from vistune.data.rows import BadRow
from vistune.errors import DataError

Row = Mapping[str, Any]


def keyed_rows(path: Path, keys: Sequence[str], needed: Sequence[str] = ()) -> dict[Any, Row]:
    """The rows of a file by their id, in the file's order.

    Args:
        keys: names that the id goes by, such as question_id. needed: one of these must be there besides.

    Raises:
        DataError: a row that is none, without id or what is needed, the same id twice, or no rows.
    """
    expected = f"an object with {' or '.join(keys)}" + (f" and {' or '.join(needed)}" if needed else "")
    found: dict[Any, Row] = {}
    for place, row in read_jsonl(path):
        if isinstance(row, BadRow):
            raise DataError(f"{path}: {row}")
        name = next((row[key] for key in keys if key in row), None) if isinstance(row, dict) else None
        if name is None or (needed and all(row.get(key) is None for key in needed)):
            raise DataError(f"{path}, {place}: expected {expected}.")
        if name in found:
            raise DataError(f"{path}, {place}: {name!r} stands there twice; keep one of its rows.")
        found[name] = row
    if not found:
        raise DataError(f"{path} holds no rows; expected JSON lines, each {expected}.")
    return found
