"""Mixtures as a few lines of YAML, from the file to samples of a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer

from vistune.checkpoint import load_model
from vistune.data.arrow_build import build_arrow
from vistune.data.example import Example
from vistune.data.instruct import Instructor
from vistune.data.recipe import DataRecipe, SetChoice, load_data_recipe, packaged_recipes
from vistune.data.recipe_sets import instruction_sets, mixture_of, open_sets
from vistune.errors import DataError, RecipeError


def write_rows(folder: Path, number: int = 500) -> Path:
    """One's own rows: a question, an answer and a picture each."""
    Image.new("RGB", (8, 8), "red").save(folder / "red.png")
    rows = [{"file": "red.png", "question": f"Is it red, {i}?", "answer": "yes"} for i in range(number)]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def recipe_of(folder: Path, text: str) -> DataRecipe:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_data_recipe(path)


def test_own_rows_are_three_lines(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    write_rows(tmp_path)
    recipe = recipe_of(tmp_path, "sets:\n  - {name: mine, path: rows.jsonl, columns: {image: file}}\n")
    opened = open_sets(recipe)
    _, processor = load_model(tiny_checkpoints["instructblip-llama"])
    samples = instruction_sets(opened, recipe, processor)[0]
    assert len(samples) == 500
    assert len(opened[0].templates) >= 10, "questions are put into words by the templates of image question answering"
    first = samples.tokens(0, epoch=0)
    assert first.images == (tmp_path / "red.png",) or str(first.images[0]).endswith("red.png")
    assert processor.load(first).pixel_values is not None
    wordings = {samples.example(0, epoch).instruction for epoch in range(40)}
    assert len(wordings) > 5 and all("Is it red, 0?" in words for words in wordings)
    assert samples.example(0, 3).target == "yes"


def test_the_mixture_follows_power_and_weights(tmp_path: Path) -> None:
    for name, number in (("small", 100), ("large", 400)):
        (tmp_path / name).mkdir()
        write_rows(tmp_path / name, number)
    text = (
        "seed: 3\nsets:\n"
        "  - {name: small, path: small/rows.jsonl, columns: {image: file}, weight: 3}\n"
        "  - {name: large, path: large/rows.jsonl, columns: {image: file}}\n"
    )
    recipe = recipe_of(tmp_path, text)
    table = {name: share for name, _, share in mixture_of(open_sets(recipe), recipe).table()}
    assert table == pytest.approx({"small": 30 / 50, "large": 20 / 50})


def test_a_built_set_is_read_by_its_folder(tmp_path: Path) -> None:
    examples = [Example(f"{i}", "pets", question="Which pet?", answers=("cat", "dog")) for i in range(10)]
    build_arrow(examples, tmp_path / "built", root=tmp_path)
    recipe = recipe_of(tmp_path, "sets:\n  - {name: pets, path: built, limit: 4, group: vqa}\n")
    opened = open_sets(recipe)[0]
    assert [row.id for row in opened.examples] == ["0", "1", "2", "3"]
    assert opened.examples[0].answers == ("cat", "dog")


def test_bad_rows_are_counted_or_stop(tmp_path: Path) -> None:
    path = write_rows(tmp_path, 50)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"file": "none.png", "question": "What?", "answer": "nothing"}\n')
    text = "sets:\n  - {name: mine, path: rows.jsonl, columns: {image: file}}\n"
    with pytest.raises(DataError, match=r"rows\.jsonl, line 51"):
        open_sets(recipe_of(tmp_path, text))
    opened = open_sets(recipe_of(tmp_path, "on_error: {mode: skip, max_share: 0.05}\n" + text))[0]
    assert len(opened.examples) == 50
    assert opened.log.counts() == {"missing image": 1}


@pytest.mark.parametrize("name", packaged_recipes())
def test_packaged_recipes_are_valid(name: str) -> None:
    recipe = load_data_recipe(name)
    assert recipe.sets
    with pytest.raises(RecipeError, match="Give the folder of the data sets"):
        open_sets(recipe.model_copy(update={"data_root": None}))


def test_the_instructblip_recipe_holds_the_held_in_sets() -> None:
    from vistune.data.catalogue import infos

    recipe = load_data_recipe("instructblip")
    held_in = {info.name for info in infos() if info.role == "held-in"}
    assert {choice.name for choice in recipe.sets} == held_in
    assert len(held_in) == 13
    assert recipe.power == 0.5


def test_a_run_file_holds_a_recipe(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "model: x\ndata:\n  sets: [vqav2]\n  power: 1\n")
    assert recipe.power == 1
    with pytest.raises(RecipeError, match=r"line 4, unknown key 'powr'; did you mean 'power'"):
        recipe_of(tmp_path, "model: x\ndata:\n  sets: [vqav2]\n  powr: 1\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sets: [vqav3]", "'vqav3'.*did you mean 'vqav2'"),
        ("sets: []", "line 1, sets is"),
        ("sets: [vqav2, vqav2]", "vqav2 stands twice"),
        ("sets: [{name: vqav2, weight: 0}]", "sets.0.weight is 0"),
        ("sets: [{name: vqav2, columns: {image: x}}]", "only together with a path"),
        ("- vqav2", "holds list, expected a mapping"),
    ],
)
def test_wrong_recipes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe_of(tmp_path, text)


def test_an_unknown_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="There is no recipe 'instructblib'; did you mean 'instructblip'"):
        load_data_recipe("instructblib")


def test_statements_to_judge_are_put_as_such(tmp_path: Path) -> None:
    """VSR's own training split: its rows are no questions, so those templates of its group do not fit."""
    RELEASES["vsr"](Writer(tmp_path))
    recipe = DataRecipe(sets=(SetChoice(name="vsr"),))
    (opened,) = open_sets(recipe, tmp_path)
    words = [Instructor(opened.templates)(opened.examples[0], epoch) for epoch in range(20)]
    assert {written.target for written in words} == {"true"}
    assert all("The dog is on the surfboard." in written.instruction for written in words)
    assert not any("Question" in written.instruction for written in words)
    assert any("is this statement true or false?" in written.instruction for written in words)
