"""`vistune data build`: people's rows and known sets into sharded Arrow."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.commands import failure, vistune
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer

from vistune.data.arrow import ArrowExamples
from vistune.data.images import open_image
from vistune.data.recipe import DataRecipe, SetChoice
from vistune.data.recipe_sets import open_sets


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    path = tmp_path / "mine.jsonl"
    path.write_text(
        "".join(json.dumps({"file": "red.png", "question": f"{n}?", "answer": "red"}) + "\n" for n in range(200))
    )
    return path


def test_build_and_open(rows: Path, tmp_path: Path) -> None:
    outcome = vistune("data", "build", rows, "--column", "image=file", "--out", tmp_path / "built")
    assert outcome.code == 0
    assert outcome.out.strip() == f"200 rows, none left out; 200 examples written to {tmp_path / 'built'}"
    built = ArrowExamples(tmp_path / "built")
    assert (built[7].question, built[7].task, built[7].images) == ("7?", "mine", (tmp_path / "red.png",))
    assert built.about["source"] == {"source": str(rows), "split": "train"}


def test_pictures_inside(rows: Path, tmp_path: Path) -> None:
    assert vistune("data", "build", rows, "--column", "image=file", "--out", tmp_path / "b", "--embed-images").code == 0
    (tmp_path / "red.png").unlink()
    assert open_image(ArrowExamples(tmp_path / "b")[3].images[0]).getpixel((0, 0)) == (255, 0, 0)


def test_bad_rows(rows: Path, tmp_path: Path) -> None:
    with rows.open("a") as file:
        file.write(json.dumps({"file": "gone.png", "question": "?"}) + "\n")
    out = tmp_path / "built"
    build = ("data", "build", rows, "--column", "image=file", "--out", out)
    assert failure(*build, code=1).startswith("mine.jsonl, line 201: there is no picture 'gone.png' in ")
    assert not out.exists()
    outcome = vistune(*build, "--on-error", "skip")
    assert outcome.out.startswith("1 of 201 rows left out (1 missing image); 200 examples written to ")
    assert json.loads((out / "left_out.jsonl").read_text())["place"] == "mine.jsonl, line 201"
    assert "1 of 201 rows are bad, more than 0.10%" in failure(*build, "--on-error", "skip", "--max-bad", 0.001, code=1)
    assert len(ArrowExamples(out)) == 200


def test_broken_pictures_are_found_if_asked(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(b"no picture")
    build = ("data", "build", rows, "--column", "image=file", "--out", tmp_path / "built")
    assert vistune(*build).code == 0
    for option in ("--check-images", "--embed-images"):
        assert "line 1: a picture cannot be opened: Image" in failure(*build, option, code=1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("gone.jsonl",), 1, "There is no file or folder 'gone.jsonl'"),
        (("vqav3",), 2, "There is no data set 'vqav3'"),
        (("vqav2",), 2, "Where is vqav2? Give the folder of the data sets with --data-root."),
        (("vqav2", "--column", "image=x"), 2, "vqav2 is a known set with columns of its own"),
        (("vqav2", "--data-root", "/gone"), 1, "There is no data folder '/gone'"),
        (("ROWS", "--column", "image"), 2, "--column is 'image'; expected KIND=NAME, such as image=file_name."),
        (("ROWS", "--column", "picture=x"), 1, "There is no column of the kind 'picture'"),
        (("ROWS", "--split", "val"), 1, "'mine' has no split 'val'; expected train."),
        (("ROWS", "--on-error", "ignore"), 2, "on_error is 'ignore'; expected 'raise' or 'skip'."),
    ],
)
def test_wrong_usage(rows: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    given = [str(rows) if argument == "ROWS" else argument for argument in arguments]
    assert message in failure("data", "build", *given, "--out", tmp_path / "out", code=code)
    assert not (tmp_path / "out").exists()


def test_other_folders_are_left_alone(rows: Path, tmp_path: Path) -> None:
    assert "holds something else" in failure("data", "build", rows, "--out", tmp_path, code=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_full_disk(rows: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        message = failure("data", "build", rows, "--column", "image=file", "--out", disk / "built", code=1)
        assert message.startswith("There is no room left on the disk to write ")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_known_set_goes_where_recipes_look_for_it(tmp_path: Path) -> None:
    RELEASES["okvqa"](Writer(tmp_path))
    build = ("data", "build", "okvqa", "--data-root", tmp_path)
    place = tmp_path / "built" / "okvqa" / "val"
    outcome = vistune(*build, "--split", "val")
    assert outcome.code == 0, outcome
    assert outcome.out.endswith(f" 1 example written to {place}\n")
    recipe = DataRecipe(sets=(SetChoice(name="okvqa", split="val"),))
    (opened,) = open_sets(recipe, tmp_path)
    assert isinstance(opened.examples, ArrowExamples)


def test_nothing_to_build(rows: Path, tmp_path: Path) -> None:
    build = ("data", "build", rows, "--column", "image=file", "--out", tmp_path / "built")
    assert vistune(*build).code == 0
    rows.write_text("\n")
    assert "There are no rows to build a set of" in failure(*build, code=1)
    assert len(ArrowExamples(tmp_path / "built")) == 200, "the set that was there stays"


def test_rows_of_ones_own_need_a_place(rows: Path) -> None:
    assert "Give a folder with --out" in failure("data", "build", rows, "--column", "image=file", code=2)
