"""Finished answers survive a kill; half-written ones do not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from vistune.errors import StorageError
from vistune.evaluate.runner.store import Writer, merge_parts, read_answers


def row(key: str) -> dict[str, object]:
    return {"id": key, "key": key, "prompt": "é?", "text": f"answer {key}"}


def test_answers_are_there_before_the_file_is_closed(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "gqa", 0)
    writer.add([row("a"), row("b")])
    assert list(read_answers(tmp_path / "gqa")) == ["a", "b"]
    writer.add([row("c")])
    assert read_answers(tmp_path / "gqa")["c"] == row("c")


def test_a_cut_line_counts_as_none_and_breaks_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 0)
    writer.add([row("a"), row("b")])
    writer.close()
    path = tmp_path / "answers.0000.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert len(read_answers(tmp_path)) <= 2
        assert len(read_answers(tmp_path)) >= whole[:cut].count(b"\n")
    path.write_bytes(whole[:-5])
    assert list(merge_parts(tmp_path)) == ["a"]
    assert not path.exists()
    again = Writer(tmp_path, 0)
    again.add([row("c")])
    assert list(merge_parts(tmp_path)) == ["a", "c"]


def test_parts_of_several_processes_are_joined(tmp_path: Path) -> None:
    for rank, key in enumerate("abc"):
        Writer(tmp_path, rank).add([row(key)])
    assert list(merge_parts(tmp_path)) == ["a", "b", "c"]
    assert [path.name for path in tmp_path.iterdir()] == ["answers.jsonl"]
    assert list(merge_parts(tmp_path)) == ["a", "b", "c"]


def test_damaged_lines_are_told_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Writer(tmp_path, 0).add([row("a")])
    merge_parts(tmp_path)
    path = tmp_path / "answers.jsonl"
    path.write_text('{"key": 3}\n\x00\x00\n{"key": "x", "scores": [1], "candidates": []}\n' + path.read_text())
    caplog.set_level("WARNING", logger="vistune")
    assert list(read_answers(tmp_path)) == ["a"]
    assert caplog.messages == [f"{path} has 3 damaged lines (1, 2, 3); what stood there is asked for again."]
    # They go when the answers are next put together: one run tells of them once.
    assert list(merge_parts(tmp_path)) == ["a"]
    caplog.clear()
    assert list(merge_parts(tmp_path)) == ["a"] and not caplog.records


@pytest.mark.parametrize("scores", ["[NaN, 1]", '["3", 1]', "[null, null]", "[Infinity, 1]", "[1]", "[true, 1]"])
def test_scores_that_are_no_numbers_are_damage(tmp_path: Path, scores: str) -> None:
    start = '{"key": "x", "candidates": ["a", "b"], "scores": '
    (tmp_path / "answers.jsonl").write_text(f"{start}{scores}}}\n")
    assert read_answers(tmp_path) == {}
    (tmp_path / "answers.jsonl").write_text(f"{start}[0, 1.5]}}\n")
    assert list(read_answers(tmp_path)) == ["x"]


def test_no_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Writer(tmp_path / "file", 0).add([row("a")])
