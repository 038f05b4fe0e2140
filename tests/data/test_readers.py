"""Annotation files row by row."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vistune.data import json_stream
from vistune.data.bad_rows import BadRow, Reason
from vistune.data.readers import (
    read_csv,
    read_json,
    read_json_array,
    read_json_object,
    read_jsonl,
    read_lines,
    read_parquet,
)
from vistune.errors import DataError

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "samples"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def stream(text: bytes) -> json_stream.JsonStream:
    return json_stream.JsonStream(io.BytesIO(text), "x.json")


def read(rows: Any) -> list[Any]:
    return [record for _, record in rows]


@settings(max_examples=40, deadline=None)
@given(values=st.lists(VALUES, max_size=6), indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_arrays_are_what_json_says_wherever_the_window_ends(values: list[Any], indent: Any, ascii_only: bool) -> None:
    text = json.dumps({"skip": values, "a": {"b": values}}, indent=indent, ensure_ascii=ascii_only)
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    expected = json.loads(text)["a"]["b"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", 3)
        assert list(stream(text.encode()).elements("a.b")) == expected


def test_objects_and_arrays_with_places(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text('\ufeff {"n": 12, "rows": [ {"a": 1} , {"a": 2}], "by": {"x": 1, "ü": [2]}}', encoding="utf-8")
    places = list(read_json_array(path, "rows"))
    assert [str(place) for place, _ in places] == ["q.json, record 1", "q.json, record 2"]
    assert places[1][0].index == 1
    assert read(read_json_object(path, "by")) == [("x", 1), ("ü", [2])]
    assert read_json(path)["n"] == 12


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ('{"a": []}', "b", "x.json has no 'b' of 'b', only 'a'."),
        ('{"a": {"c": 1}}', "a.b", "has no 'b' of 'a.b', only 'c'."),
        ('{"a": 1}', "a", "x.json holds a single value at 'a', expected an array"),
        ('{"a": {}}', "", "x.json holds an object, expected an array"),
        ("", "", "x.json holds nothing, expected an array"),
        ('[{"a": 1}, {"a": ', "", "is no JSON from character 12 on"),
        ("[1 2]", "", "from character 4 on: expected ',' or ']', found '2]'"),
        ("[1,]", "", "from character 4 on"),
        ("[" * 200_000, "", "nested less deep"),
    ],
)
def test_json_that_is_none_says_where(text: str, key: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        list(stream(text.encode()).elements(key))
    assert message in str(caught.value)


def test_invalid_utf8_costs_one_record_only() -> None:
    found = list(stream(b'[{"a": "x"}, {"a": "\xff\xfe"}, {"a": "\xc3\xa9"}]').elements())
    assert found[0] == {"a": "x"}
    assert isinstance(found[1], BadRow)
    assert found[1].reason == Reason.INVALID_UTF8
    assert found[2] == {"a": "é"}


def test_long_arrays_take_little_memory(tmp_path: Path) -> None:
    """11 MB of JSON go through a window of 1 MB."""
    import tracemalloc

    path = tmp_path / "long.json"
    row = json.dumps({"image": "a.jpg", "caption": "word " * 60})
    with path.open("w") as file:
        file.write('{"info": [' + ",".join([row] * 3000) + '], "annotations": [')
        file.write(",".join([row] * 30_000) + "]}")
    tracemalloc.start()
    count = sum(1 for _ in read_json_array(path, "annotations"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 30_000
    assert path.stat().st_size > 10e6
    assert peak < 6e6


def test_jsonl_goes_on_after_lines_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n{oops\n{"a": "\xff"}\n[1]\n')
    found = list(read_jsonl(path))
    assert [str(place) for place, _ in found] == [f"r.jsonl, line {line}" for line in (1, 3, 4, 5)]
    assert [place.index for place, _ in found] == [0, 1, 2, 3]
    records = read(found)
    assert (records[0], records[3]) == ({"a": 1}, [1])
    assert [record.reason for record in records[1:3]] == [Reason.BAD_JSON, Reason.INVALID_UTF8]
    assert str(records[1]) == (
        "r.jsonl, line 3: this is no JSON (Expecting property name enclosed in double quotes at column 2)."
    )
    assert str(records[2]) == "r.jsonl, line 4: byte 8 is 0xff, which is not UTF-8."


def test_gzip_is_unpacked_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert read(read_jsonl(path)) == [{"a": 1}, {"a": 2}]
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:40])
    with pytest.raises(DataError, match=r"r\.jsonl\.gz' cannot be read"):
        read(read_jsonl(path))


def test_csv_is_what_pythons_writer_wrote(tmp_path: Path) -> None:
    rows = [{"q": 'say "hi", please', "a": "é"}, {"q": "two\nlines", "a": ""}]
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["q", "a"])
        writer.writeheader()
        writer.writerows(rows)
    assert read(read_csv(path)) == rows
    (tmp_path / "t.tsv").write_text("1\t2\n")
    assert read(read_csv(tmp_path / "t.tsv", "\t", columns=["a", "b"])) == [{"a": "1", "b": "2"}]


def test_a_csv_file_of_another_coding_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,question\n1.png,What?\n", encoding="utf-16")
    with pytest.raises(DataError, match=r"t\.csv begins with bytes that are not UTF-8; save it as UTF-8"):
        list(read_csv(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("text", "line"),
    [('q,a\n1,2\n"3\n",4\n"5,6\n7,8\n9,10\n', 5), ('q,a\n1,"2', 2), ('q,"a\n1,2\n', 1)],
)
def test_a_quote_that_is_never_closed_swallows_nothing(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"t\.csv, line {line}: a quote in this row is never closed"):
        list(read_csv(path))


def test_csv_rows_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"q,a\n1,2\n1,2,3\n\n\xff,2\n5,6\n")
    found = list(read_csv(path))
    assert [str(place) for place, _ in found] == [f"t.csv, line {line}" for line in (2, 3, 5, 6)]
    reasons = [record.reason for _, record in found[1:3]]
    assert reasons == [Reason.MISSING_FIELD, Reason.INVALID_UTF8]
    assert found[3][1] == {"q": "5", "a": "6"}
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty; expected a line of column names"):
        read(read_csv(path))


def test_parquet_files_and_folders(tmp_path: Path) -> None:
    rows = [{"a": number, "b": [str(number)], "c": {"bytes": b"x", "path": None}} for number in range(3000)]
    pq.write_table(pa.Table.from_pylist(rows[:2000]), tmp_path / "0.parquet")
    pq.write_table(pa.Table.from_pylist(rows[2000:]), tmp_path / "1.parquet")
    found = list(read_parquet(tmp_path))
    assert read(found) == rows
    assert str(found[2000][0]) == "1.parquet, record 1"
    assert read(read_parquet(tmp_path / "1.parquet", ["a"]))[0] == {"a": 2000}
    (tmp_path / "1.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"1\.parquet cannot be read as parquet"):
        read(read_parquet(tmp_path / "1.parquet"))


def test_missing_files_are_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for reader in (read_jsonl, read_json_array, read_csv, read_lines, read_parquet):
        with pytest.raises(DataError, match=r"There is no file '.*gone'; check the path"):
            read(reader(gone))
    with pytest.raises(DataError, match="cannot be read"):
        read(read_jsonl(tmp_path))


def test_lines(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("\ufeffyes\n\n no \r\n", encoding="utf-8")
    assert read(read_lines(tmp_path / "l.txt")) == ["yes", " no "]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the sample rows in ../shared/data/samples")
@pytest.mark.parametrize(
    ("name", "key"), [("vqav2_questions.json", "questions"), ("visdial_form.json", "data.dialogs")]
)
def test_release_files(name: str, key: str) -> None:
    whole = json.loads((SAMPLES / name).read_text(encoding="utf-8"))
    for part in key.split("."):
        whole = whole[part]
    assert read(read_json_array(SAMPLES / name, key)) == whole
