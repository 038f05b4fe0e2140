"""A person's own columns from a file, joined on the rows' ids."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from vistune.errors import DataError
from vistune.evaluate.metrics.rows import read_rows

logger = logging.getLogger(__name__)


def read_columns(path: Path, ids: Sequence[str]) -> dict[str, list[str]]:
    """The columns of a jsonl file, for the rows of a benchmark.

    Rows hold ``id`` and any further keys; who is seen in a picture, its lighting or place. A row that the file lacks,
    or that lacks a key, has no value of that column.

    Args:
        ids: of the benchmark's rows, in order.

    Returns:
        For each column one text a row, "" where there is none.

    Raises:
        DataError: the file is missing or broken, an id comes twice, or none of its ids is a row's.
    """
    rows = read_rows(path)
    known = [rows.get(name, {}) for name in ids]
    if not any(known):
        raise DataError(f"{path} has no id of these rows (they have {ids[0]!r}); it is a file of other data.")
    names = list(dict.fromkeys(key for row in rows.values() for key in row if key != "id"))
    if not names:
        raise DataError(f"{path} has nothing but ids; give each row the columns to tell figures apart by.")
    return {name: [_text(row.get(name)) for row in known] for name in names}


def warn_of_unused(path: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """Tell of columns by which nothing is told apart, since fewer than two values stand there."""
    for name, entries in columns.items():
        values = {entry for entry in entries if entry}
        if len(values) < 2:
            what = f"only the value {next(iter(values))!r}" if values else "no value"
            logger.warning("%s: %r has %s in these rows, so no figures are told apart by it.", path, name, what)


def _text(value: object) -> str:
    return "" if value is None else str(value)
