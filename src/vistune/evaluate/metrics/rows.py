"""Predictions and references of any system as jsonl files, joined on ``id``; what is odd is told before it counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vistune.errors import DataError

Row = Mapping[str, Any]

_FEW = 3


def read_rows(path: Path) -> dict[str, Row]:
    """Rows of a jsonl file by their id, in order; ids are compared as text, so 7 and "7" are the same.

    Raises:
        DataError: the file is missing or empty, a line is not a JSON object with an id, or an id comes twice.
    """
    rows: dict[str, Row] = {}
    lines: dict[str, int] = {}
    for number, row in _lines(path):
        name = row.get("id")
        if isinstance(name, bool) or not isinstance(name, (str, int)):
            raise DataError(f"{path}, line {number}: id is {name!r}; expected a text or a whole number.")
        key = str(name)
        if key in rows:
            raise DataError(f"{path}, line {number}: id {key!r} stood in line {lines[key]} already; give each id once.")
        rows[key], lines[key] = row, number
    if not rows:
        raise DataError(f"{path} holds no rows; expected one JSON object a line.")
    return rows


def join(predictions: Path, references: Path) -> tuple[list[str], list[Row], list[Row]]:
    """Ids, predictions and references, in the order of the references.

    Raises:
        DataError: as :func:`read_rows`; or a prediction has an unknown id, or a reference has no prediction.
    """
    given, wanted = read_rows(predictions), read_rows(references)
    same_ids(given, predictions, wanted, references)
    return list(wanted), [given[name] for name in wanted], list(wanted.values())


def same_ids(given: Mapping[str, Row], path: Path, wanted: Mapping[str, Row], other: Path) -> None:
    """Both files have the same ids.

    Raises:
        DataError: otherwise, with the first few.
    """
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise DataError(f"{path} has {_listed(unknown)} of no row in {other}; these are files of different data.")
    missing = [name for name in wanted if name not in given]
    if missing:
        raise DataError(f"{path} lacks {_listed(missing)} of {other}; nothing is counted while a row has no answer.")


def refuse_empty_answers(names: Sequence[str], predictions: Sequence[Row], path: Path) -> None:
    """No prediction is an empty text.

    Raises:
        DataError: some are, with the first few.
    """
    empty = [
        name
        for name, row in zip(names, predictions, strict=True)
        if isinstance(row.get("answer"), str) and not row["answer"].strip()
    ]
    if empty:
        raise DataError(
            f"{path} has empty answers for {_listed(empty)}; fill them in, or count them with --allow-empty."
        )


def _lines(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark first
    except FileNotFoundError:
        raise DataError(f"There is no file {str(path)!r}; give a jsonl file.") from None
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} cannot be read as text ({error}); give a jsonl file in UTF-8.") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except DataError as error:
            raise DataError(f"{path}, line {number} {error}") from None
        except (ValueError, RecursionError) as error:  # beside broken JSON: numbers too long, lists too deep
            told = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise DataError(f"{path}, line {number} is not JSON ({told}): {line[:60]!r}.") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} is {line[:60]!r}; expected an object with an id.")
        yield number, row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a name that comes twice, Python would keep the last in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"has {twice!r} more than once; give each field once.")
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_FEW])
    more = ", ..." if len(names) > _FEW else ""
    return f"id {shown}" if len(names) == 1 else f"{len(names)} ids ({shown}{more})"
