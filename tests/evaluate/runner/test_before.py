"""What cannot work is told before a model is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vistune.errors import DataError, InputError, RecipeError, StorageError
from vistune.evaluate.benchmarks import benchmark
from vistune.evaluate.runner.before import check
from vistune.evaluate.runner.request import Request

WORLD = (benchmark("world_size"),)


def request(tmp_path: Path, **more: Any) -> Request:
    return Request(model="m", **{"benchmarks": WORLD, "out": tmp_path / "new" / "out", **more})


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    check(request(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_out_that_is_or_lies_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper" / "out"):
        with pytest.raises(InputError, match=r"--out .* cannot be a folder, as .*file' is a file; name another\."):
            check(request(tmp_path, out=out))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="a folder that nobody can write to is taken from /proc")
def test_out_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="'/proc/self/out' cannot be written"):
        check(request(tmp_path, out=Path("/proc/self/out")))


def test_files_that_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*columns.jsonl"):
        check(request(tmp_path, columns=tmp_path / "columns.jsonl"))
    with pytest.raises(DataError, match=r"no data folder '.*data'; give the one that holds the data sets"):
        check(request(tmp_path, benchmarks=(benchmark("gqa"),), data_root=tmp_path / "data"))


def test_a_protocol_that_has_no_words(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("prompts: {gqa: {text: '{question}'}}")
    chosen = (benchmark("vsr"),)
    with pytest.raises(RecipeError, match="The protocol 'mine' has no words for vsr"):
        check(request(tmp_path, benchmarks=chosen, data_root=tmp_path, protocol=str(path)))
