"""Rows that cannot be used: what is wrong with them, where they stand, and whether to stop or to go on without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from vistune.data.counting import count_of
from vistune.errors import DataError, InputError

_SHARE_FROM_ROWS = 1000


class Reason(StrEnum):
    """Everything that can be wrong with a row, in the words of reports and logs."""

    MISSING_IMAGE = "missing image"
    BROKEN_IMAGE = "broken image"
    EMPTY_ANSWER = "empty answer"
    UNKNOWN_ANSWER_INDEX = "unknown answer index"
    DUPLICATE_ID = "duplicate id"
    INVALID_UTF8 = "invalid UTF-8"
    PATH_LEAVES_ROOT = "path leaves the data root"
    MISSING_FIELD = "missing field"
    BAD_JSON = "bad JSON"


@dataclass(frozen=True)
class Place:
    """Where a row stands: "train.jsonl, line 17", or "train.parquet, record 17" where there are no lines.

    Args:
        file: name of the annotation file. line: counted from 1. index: of the record in the file, counted from 0.
    """

    file: str
    line: int | None = None
    index: int | None = None

    def __str__(self) -> str:
        if self.line is not None:
            return f"{self.file}, line {self.line}"
        return f"{self.file}, record {self.index + 1}" if self.index is not None else self.file


class BadRow(DataError):
    """A row that cannot be used.

    Args:
        reason: one of `Reason`. message: the sentence for people, beginning in lower case: it follows the place.
        place: added by `read_rows` where it is not known yet.
    """

    def __init__(self, reason: Reason | str, message: str, place: Place | None = None) -> None:
        super().__init__(reason, message, place)
        self.reason = Reason(reason)
        self.message = message
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message

    def at(self, place: Place) -> BadRow:
        """The same, with its place if it has none yet."""
        return self if self.place else BadRow(self.reason, self.message, place)


@dataclass(frozen=True)
class OnError:
    """What happens at a bad row.

    Args:
        mode: "raise" stops at the first; "skip" goes on without it.
        max_share: with "skip", stop when more than this share of the rows is bad; looked at after 1000 rows, and last.
    """

    mode: Literal["raise", "skip"] = "raise"
    max_share: float = 0.01

    def __post_init__(self) -> None:
        if self.mode not in ("raise", "skip"):
            raise InputError(f"on_error is {self.mode!r}; expected 'raise' or 'skip'.")
        if not 0 <= self.max_share <= 1:
            raise InputError(f"The largest share of bad rows is {self.max_share}; expected a number from 0 to 1.")


@dataclass
class RowLog:
    """Counts rows and lists the bad ones. ``seen``: all rows so far, good and bad."""

    on_error: OnError = field(default_factory=OnError)
    seen: int = 0
    bad: list[BadRow] = field(default_factory=list)

    def good(self) -> None:
        """Count a row that can be used."""
        self.seen += 1

    def add(self, row: BadRow) -> None:
        """Count a bad row, or raise it.

        Raises:
            BadRow: ``on_error`` says "raise". DataError: too large a share of the rows is bad.
        """
        if self.on_error.mode == "raise":
            raise row
        self.seen += 1
        # Without its traceback: frames would keep the rows alive.
        self.bad.append(row.with_traceback(None))
        if self.seen >= _SHARE_FROM_ROWS:
            self.check()

    def check(self) -> None:
        """Stop if too large a share of the rows seen so far is bad.

        Raises:
            DataError: with the counts by reason and the first of the bad rows.
        """
        if len(self.bad) > self.on_error.max_share * self.seen:
            raise DataError(
                f"{len(self.bad)} of {self.seen} rows are bad, more than {self.on_error.max_share:.2%} "
                f"({self._by_reason()}; the first: {self.bad[0]}); repair the data or allow a larger share."
            )

    def counts(self) -> dict[str, int]:
        """Bad rows by reason, the most frequent first."""
        counts: dict[str, int] = {}
        for row in self.bad:
            counts[str(row.reason)] = counts.get(str(row.reason), 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def summary(self) -> str:
        """One line for people: "3 of 1,200 rows left out (2 missing image, 1 empty answer)"."""
        if not self.bad:
            return f"{count_of(self.seen, 'row')}, none left out"
        return f"{len(self.bad):,} of {count_of(self.seen, 'row')} left out ({self._by_reason()})"

    def write(self, path: Path) -> None:
        """List the bad rows in a jsonl file, with place, reason and message each."""
        from vistune.data.storage import written_whole

        with written_whole(path) as part, part.open("w", encoding="utf-8") as file:
            for row in self.bad:
                entry = {"place": str(row.place or ""), "reason": str(row.reason), "message": row.message}
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _by_reason(self) -> str:
        return ", ".join(f"{count:,} {reason}" for reason, count in self.counts().items())


def field_of(record: Any, name: str, *kinds: type) -> Any:
    """The value of a field that the row must have.

    Raises:
        BadRow: the record is no object, has no such field, or its value is none of ``kinds``.
    """
    if not isinstance(record, Mapping):
        raise BadRow(Reason.BAD_JSON, f"this is a {type(record).__name__}, expected an object with {name!r}.")
    if record.get(name) is None:
        found = ", ".join(repr(str(key)) for key in record) or "none"
        raise BadRow(Reason.MISSING_FIELD, f"there is no field {name!r}, only {found}.")
    value = record[name]
    if kinds and not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise BadRow(Reason.MISSING_FIELD, f"the field {name!r} is {value!r}, expected {wanted}.")
    return value
