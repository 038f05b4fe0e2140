"""Annotation files row by row: jsonl, JSON arrays and objects, csv, parquet; never a whole file in memory.

Each reader yields (place, record). A row that cannot be read at all, but after which the file goes on, is yielded as a
`BadRow` in place of its record, so that the rows after it can still be had.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from vistune.data.bad_rows import BadRow, Place, Reason
from vistune.data.json_stream import JsonStream
from vistune.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

Rows = Iterator[tuple[Place, Any]]

_BATCH_ROWS = 1024
_LONGEST_CELL = 2**27
# Read after a csv file's last line: a row of its own, unless a quote is open still. No text has this sign (Unicode).
_END = "\ufdd0"


def read_jsonl(path: Path) -> Rows:
    """One JSON value a line; blank lines are passed over. ``.gz`` files are read as they are."""
    index = 0
    with open_bytes(path) as file:
        for number, raw in enumerate(file, 1):
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if line.strip():
                place = Place(path.name, number, index)
                yield place, _parse(line, place)
                index += 1


def read_json_array(path: Path, key: str = "") -> Rows:
    """The elements of a JSON array, one at a time.

    Args:
        key: where in the file's object the array stands, with dots: "annotations", "data.dialogs"; "" for the top.

    Raises:
        DataError: no such file or key, no array there, or JSON that cannot be read on from.
    """
    with open_bytes(path) as file:
        yield from _placed(path, JsonStream(file, path.name).elements(key))


def read_json_object(path: Path, key: str = "") -> Rows:
    """The entries of a JSON object as (name, value), one at a time; arguments and errors as in `read_json_array`."""
    with open_bytes(path) as file:
        yield from _placed(path, JsonStream(file, path.name).entries(key))


def read_json(path: Path) -> Any:
    """A small JSON file at once.

    Raises:
        DataError: no such file, not UTF-8, or no JSON.
    """
    with open_bytes(path) as file:
        value = _parse(file.read().removeprefix(b"\xef\xbb\xbf"), Place(path.name))
    if isinstance(value, BadRow):
        raise DataError(str(value))
    return value


def read_csv(path: Path, delimiter: str = ",", columns: Sequence[str] | None = None) -> Rows:
    """Rows of a csv file as objects of text. The place's line is where the row ends.

    Args:
        columns: their names, where the file has no line of headings.
    """
    csv.field_size_limit(_LONGEST_CELL)
    with open_bytes(path) as file:
        reader = csv.reader(chain(_csv_lines(file), [_END]), delimiter=delimiter)
        try:
            rows = _closed_rows(reader, path.name)
            names = list(columns) if columns is not None else next(rows, None)
            if not names:
                raise DataError(f"{path.name} is empty; expected a line of column names and rows.")
            if _has_marked_bytes(names):
                raise DataError(f"{path.name} begins with bytes that are not UTF-8; save it as UTF-8.")
            for index, row in enumerate(row for row in rows if row):
                place = Place(path.name, reader.line_num, index)
                yield place, _csv_row(row, names, place)
        except csv.Error as error:
            raise DataError(
                f"{path.name}, line {reader.line_num}: this is no csv ({error}); repair the file."
            ) from error


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> Rows:
    """Rows of a parquet file, or of all parquet files of a folder in the order of their names, as objects."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        if not file.is_file():
            raise DataError(f"There is no file {str(file)!r}; check the path.")
        index = 0
        try:
            with pq.ParquetFile(file) as table:
                for batch in table.iter_batches(_BATCH_ROWS, columns=list(columns) if columns else None):
                    for row in batch.to_pylist():
                        yield Place(file.name, index=index), row
                        index += 1
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file.name} cannot be read as parquet ({error}); is the file damaged?") from error


def read_lines(path: Path) -> Rows:
    """Lines of a text file, without their ends; blank lines are passed over."""
    index = 0
    with open_bytes(path) as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                place = Place(path.name, number, index)
                yield place, _text(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, place)
                index += 1


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file to read bytes from, unpacked on the way if its name ends in ``.gz``.

    Raises:
        DataError: there is none, or it cannot be read (on).
    """
    try:
        with cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise DataError(f"There is no file {str(path)!r}; check the path.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"The file {str(path)!r} cannot be read ({error}); is it whole, and a file?") from error


def _placed(path: Path, values: Iterator[Any]) -> Rows:
    for index, value in enumerate(values):
        place = Place(path.name, index=index)
        yield place, value.at(place) if isinstance(value, BadRow) else value


def _parse(raw: bytes, place: Place) -> Any:
    text = _text(raw, place)
    if isinstance(text, BadRow):
        return text
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested too deep"
        return BadRow(Reason.BAD_JSON, f"this is no JSON ({where}).", place)


def _text(raw: bytes, place: Place) -> str | BadRow:
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        return BadRow(
            Reason.INVALID_UTF8, f"byte {error.start + 1} is {raw[error.start]:#04x}, which is not UTF-8.", place
        )


def _csv_lines(file: IO[bytes]) -> Iterator[str]:
    """Bytes that are no UTF-8 come through marked, so that only their row is lost."""
    for number, raw in enumerate(file):
        yield raw.decode("utf-8-sig" if number == 0 else "utf-8", "surrogateescape")


def _closed_rows(reader: Reader, name: str) -> Iterator[list[str]]:
    """Rows up to the end; one whose quote stays open would be all that is left of the file."""
    begins = 1
    for row in reader:
        if row == [_END]:
            return
        if row and row[-1].endswith(_END):
            raise DataError(f"{name}, line {begins}: a quote in this row is never closed; repair the file.")
        yield row
        begins = reader.line_num + 1


def _has_marked_bytes(cells: Sequence[str]) -> bool:
    """Whether `read_csv` came upon bytes that are not UTF-8."""
    return any("\udc80" <= sign <= "\udcff" for cell in cells if not cell.isascii() for sign in cell)


def _csv_row(row: list[str], names: list[str], place: Place) -> dict[str, str] | BadRow:
    if _has_marked_bytes(row):
        return BadRow(Reason.INVALID_UTF8, "the row has bytes that are not UTF-8.", place)
    if len(row) != len(names):
        return BadRow(Reason.MISSING_FIELD, f"the row has {len(row)} columns, expected {len(names)}.", place)
    return dict(zip(names, row, strict=True))
