"""What is said of rows that cannot be used; how they are read past stands in test_rows.py."""

from __future__ import annotations

import pytest

from vistune.data.bad_rows import BadRow, OnError, Place, field_of
from vistune.errors import InputError


def test_settings_that_cannot_be() -> None:
    with pytest.raises(InputError, match="on_error is 'ignore'; expected 'raise' or 'skip'"):
        OnError("ignore")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"share of bad rows is 1\.5; expected a number from 0 to 1"):
        OnError("skip", 1.5)


def test_fields() -> None:
    assert field_of({"a": 0}, "a", int) == 0
    with pytest.raises(BadRow, match="there is no field 'b', only 'a'"):
        field_of({"a": 0}, "b")
    with pytest.raises(BadRow, match="there is no field 'a'"):
        field_of({"a": None}, "a")
    with pytest.raises(BadRow, match="the field 'a' is 0, expected str or list"):
        field_of({"a": 0}, "a", str, list)
    with pytest.raises(BadRow, match="this is a list, expected an object with 'a'"):
        field_of([1], "a")


def test_places() -> None:
    assert str(Place("a.json", 3, 1)) == "a.json, line 3"
    assert str(Place("a.parquet", index=0)) == "a.parquet, record 1"
    assert str(Place("a.json")) == "a.json"
    named = BadRow("bad JSON", "no.", Place("a"))
    assert str(named.at(Place("b"))) == "a: no."
