"""Whole tiny runs through the command: every recipe of recipes/tiny from its model to one that answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune
from tests.train.run.rig import cut_down

from vistune.train.recipe import recipe_names
from vistune.world.render import render
from vistune.world.scene import scenes

TINY = [name for name in recipe_names() if name.startswith("tiny/")]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All runs share their features, as the recipes do."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("photo") / "photo.png"
    render(next(scenes("test", "photo")), 48).save(path)
    return path


def test_there_is_a_tiny_version_of_every_kind() -> None:
    assert len(TINY) >= 13


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_every_tiny_recipe_runs_to_a_model_that_answers(name: str, tmp_path: Path, features: Path, photo: Path) -> None:
    out = tmp_path / "run"
    done = vistune("train", name, *cut_down(name, features), "--out", out)
    assert done.code == 0, done.err
    record = json.loads((out / "run.json").read_text())
    assert record["finished"] and record["sittings"][0]["versions"]["torch"] and record["seed"] == 0
    assert all(stage["data"] and stage["parts"] for stage in record["stages"].values())
    for stage in record["stages"]:
        folder = out / "stages" / stage
        steps = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert [entry["step"] for entry in steps] == [1, 2]
        assert (folder / "first_batch.txt").stat().st_size and list((folder / "tensorboard").iterdir())
        assert f"stages/{stage}/curve.svg" in (out / "summary.md").read_text() and (folder / "curve.svg").is_file()
    again = vistune("train", out / "recipe.yaml", "--print")
    assert again.code == 0, again.err
    if name == "tiny/blip2_stage1":
        message = failure("ask", out / "model", photo, "How many objects are there?", code=1)
        assert "stage" in message
        return
    answer = vistune("ask", out / "model", photo, "How many objects are there?", "--choices", "1|2|3")
    assert answer.code == 0 and len(answer.out.splitlines()) == 3, answer
    if "lora" in name:
        merged = vistune("convert", out / "model", tmp_path / "merged")
        assert merged.code == 0, merged.err
        assert vistune("ask", tmp_path / "merged", photo, "How many?", "--choices", "1|2|3").out == (
            vistune("ask", out / "model", photo, "How many?", "--choices", "1|2|3").out
        )


def test_mistakes_are_one_sentence_each(tmp_path: Path, features: Path) -> None:
    """Found before anything is trained, and before the run's folder exists."""
    small = [*cut_down("tiny/llava", features), "--out", tmp_path / "run"]
    text = failure("train", "tiny/llava", *small, "model.language.from=nobody/nothing", code=1)
    assert "nobody/nothing" in text
    text = failure("train", "tiny/llava", *small, f"model.vision.from={tmp_path / 'no'}", code=1)
    assert str(tmp_path / "no") in text
    overrides = ["data.world={}", "data.sets=[okvqa]", "--data-root", tmp_path / "nowhere"]
    text = failure("train", "tiny/llava", *small, *overrides, code=1)
    assert "nowhere" in text
    text = failure("train", "tiny/llava", *small, "stages.align.transform=random-crop", code=2)
    assert "random crops" in text
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_run_or_of_this_one(tmp_path: Path, features: Path) -> None:
    out = tmp_path / "run"
    small = cut_down("tiny/llava", features, extra=["stages.align.steps=1", "stages.instruct.steps=1"])
    assert vistune("train", "tiny/llava", *small, "--out", out).code == 0
    text = failure("train", "tiny/llava", *small, "--out", out, code=1)
    assert "--resume" in text and "--out" in text
    text = failure("train", "tiny/llava", *small, "seed=1", "--out", out, "--resume", code=1)
    assert "seed 0 there, 1 here" in text
    written = (out / "model" / "model.safetensors").stat().st_mtime_ns
    again = vistune("train", "tiny/llava", *small, "--out", out, "--resume")
    assert again.code == 0 and "finished already" in again.out
    assert (out / "model" / "model.safetensors").stat().st_mtime_ns == written
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.txt").write_text("mine")
    text = failure("train", "tiny/llava", *small, "--out", tmp_path / "photos", code=1)
    assert "holds files but no run" in text
