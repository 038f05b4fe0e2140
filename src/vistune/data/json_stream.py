"""JSON files of any size, one element at a time."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

from vistune.data.bad_rows import BadRow, Reason
from vistune.errors import DataError

_CHUNK = 2**20
_LONGEST = 2**28
_BLANK = " \t\r\n"


class JsonStream:
    """Walks through a JSON text with a window of a megabyte, or of its longest element.

    Args:
        file: bytes of UTF-8. name: of the file, for messages.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name
        # Bytes that are no UTF-8 come through as lone surrogates, so that only their element is lost.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._passed = 0
        self._ended = False

    def elements(self, key: str = "") -> Iterator[Any]:
        """The elements of the array at ``key``; a `BadRow` stands for one with bytes that are no UTF-8."""
        self._go_to(key)
        self._expect("[", key)
        yield from self._array()

    def entries(self, key: str = "") -> Iterator[Any]:
        """The entries of the object at ``key`` as (name, value)."""
        self._go_to(key)
        self._expect("{", key)
        for name in self._names():
            value = self._value()
            yield value if isinstance(value, BadRow) else (name, value)

    def _go_to(self, key: str) -> None:
        for part in key.split(".") if key else []:
            self._expect("{", key)
            found = []
            for name in self._names():
                if name == part:
                    break
                found.append(name)
                self._skip()
            else:
                raise DataError(
                    f"{self._name} has no {part!r} of {key!r}, only {', '.join(map(repr, found)) or 'none'}."
                )

    def _array(self) -> Iterator[Any]:
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._separator("]"):
                return

    def _names(self) -> Iterator[str]:
        """Names of the object that was just entered; the caller reads each one's value before it goes on."""
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            if self._peek() != '"':
                raise self._fault("a name in quotes")
            name = self._value()
            if self._peek() != ":":
                raise self._fault("':'")
            self._at += 1
            yield str(name)
            if self._separator("}"):
                return

    def _skip(self) -> None:
        """Pass over a value; a long array or object is never held as a whole."""
        opening = self._peek()
        if opening == "[":
            self._at += 1
            for _ in self._array():
                pass
        elif opening == "{":
            self._at += 1
            for _ in self._names():
                self._value()
        else:
            self._value()

    def _value(self) -> Any:
        self._peek()
        more = _CHUNK
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or len(self._text) - self._at > _LONGEST:
                    raise self._fault(error.msg) from error
            except RecursionError as error:
                raise self._fault("values nested less deep") from error
            else:
                # A number at the edge of the window may go on behind it: "1" and ".5", "1.5e" and "3".
                rest = self._text[end : end + 3]
                is_cut = isinstance(value, int | float) and len(rest) < 3 and not rest.strip("+-.eE")
                if not is_cut or self._ended:
                    break
            self._read(more)
            more *= 2
        raw, self._at = self._text[self._at : end], end
        if not raw.isascii() and any("\udc80" <= sign <= "\udcff" for sign in raw):
            return BadRow(Reason.INVALID_UTF8, "the record has bytes that are not UTF-8.")
        return value

    def _separator(self, closing: str) -> bool:
        found = self._peek()
        if found not in (",", closing):
            raise self._fault(f"',' or '{closing}'")
        self._at += 1
        return found == closing

    def _expect(self, opening: str, key: str) -> None:
        found = self._peek()
        if found != opening:
            kind = {"[": "an array", "{": "an object"}
            where = f" at {key!r}" if key else ""
            raise DataError(
                f"{self._name} holds {kind.get(found, 'a single value' if found else 'nothing')}{where}, expected "
                f"{kind[opening]}; is it the right file?"
            )
        self._at += 1

    def _peek(self) -> str:
        """The next sign that is not blank, "" at the end of the file."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._read(_CHUNK)

    def _read(self, size: int) -> None:
        raw = self._file.read(size)
        self._ended = not raw
        self._passed += self._at
        self._text = self._text[self._at :] + self._decoder.decode(raw, final=self._ended)
        self._at = 0

    def _fault(self, expected: str) -> DataError:
        found = self._text[self._at : self._at + 30] or "the end of the file"
        return DataError(
            f"{self._name} is no JSON from character {self._passed + self._at + 1} on: expected {expected}, found "
            f"{found!r}; is the file cut off?"
        )
