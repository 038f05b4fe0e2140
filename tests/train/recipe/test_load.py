"""From files, what they build on and overrides to one recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.train.recipe.writing import SMALL, loaded, told, written

from vistune.errors import RecipeError
from vistune.train.recipe import load_recipe, resolved_yaml


def test_a_recipe_from_a_file(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, SMALL).recipe
    align, instruct = recipe.stages
    assert recipe.model.vision is not None and recipe.model.vision.feature_layer == -2
    assert align.train == {"projection": 1e-3} and align.steps == 10
    assert recipe.data_of(align).world == {"caption": 100}
    assert recipe.data_of(instruct).world == {"count": 50, "colour": 50}
    assert instruct.epochs == 2 and instruct.steps is None


def test_out_is_named_after_the_recipe(tmp_path: Path) -> None:
    assert loaded(tmp_path, SMALL).out == Path("runs/mine")
    assert loaded(tmp_path, SMALL, "out=elsewhere").out == Path("elsewhere")
    assert load_recipe("tiny/llava").out == Path("runs/tiny/llava")


def test_a_recipe_laid_over_another(tmp_path: Path) -> None:
    written(tmp_path, SMALL, "below.yaml")
    recipe = loaded(
        tmp_path,
        "base: below.yaml\nseed: 3\nmodel: {connector: {type: mlp}}\n"
        "stages: {instruct: {train: {language: null}, batch_size: 2, steps: 7}}\n",
    ).recipe
    assert recipe.model.connector is not None and recipe.model.connector.type == "mlp"
    assert recipe.model.language is not None and recipe.model.language.from_ == "world:language"
    assert recipe.stages[0].batch_size == 4
    assert recipe.stages[1].train == {"projection": 1e-3} and recipe.stages[1].batch_size == 2
    # A length in steps takes the place of one in epochs, and the recipe's seed is that of its data.
    assert (recipe.stages[1].steps, recipe.stages[1].epochs) == (7, None)
    assert recipe.data_of(recipe.stages[0]).seed == 3


def test_rows_above_take_the_place_of_rows_below(tmp_path: Path) -> None:
    written(tmp_path, SMALL, "below.yaml")
    text = "base: below.yaml\nstages: {align: {data: {sets: [{name: mine, path: rows.jsonl}]}}}\n"
    recipe = loaded(tmp_path, text).recipe
    data = recipe.data_of(recipe.stages[0])
    assert data.world == {} and data.names == ("mine",)
    assert data.sets[0].path == str(tmp_path / "rows.jsonl")


def test_data_recipes_by_name(tmp_path: Path) -> None:
    text = SMALL.replace("data: {world: {caption: 100}}\n", "data: {base: instructblip, power: 1.0}\n", 1)
    recipe = loaded(tmp_path, text).recipe
    data = recipe.data_of(recipe.stages[0])
    assert len(data.sets) == 13 and data.power == 1.0 and data.homogeneous


def test_overrides(tmp_path: Path) -> None:
    overrides = (
        "stages.align.steps=3",
        "stages.1.batch_size=16",
        "stages.instruct.steps=9",
        "model.connector.type=mlp",
    )
    recipe = loaded(tmp_path, SMALL, *overrides, "stages.align.data.world={colour: 5}", "log.every=1").recipe
    assert recipe.stages[0].steps == 3
    assert recipe.stages[1].batch_size == 16
    assert (recipe.stages[1].steps, recipe.stages[1].epochs) == (9, None)
    assert recipe.model.connector is not None and recipe.model.connector.type == "mlp"
    assert recipe.data_of(recipe.stages[0]).world == {"colour": 5}
    assert recipe.log.every == 1


def test_all_mistakes_at_once_with_their_lines(tmp_path: Path) -> None:
    text = SMALL.replace("steps: 10", "stepz: 10").replace("batch_size: 4", "batch_size: none")
    text = text.replace("keep_cls: false", "keep_cls: maybe").replace("epochs: 2", "epochs: 2\n    steps: 3")
    message = told(tmp_path, text)
    assert "4 mistakes" in message
    assert "line 2, model.vision.keep_cls is 'maybe', expected true or false" in message
    assert "line 9, unknown key 'stages.0.stepz'; did you mean 'steps'?" in message
    assert "line 10, stages.0.batch_size is 'none', expected a whole number" in message
    # A contradiction is told beside what is wrong by itself.
    assert "line 14, stages.1.epochs is 2: both steps and epochs are given" in message


def test_mistakes_of_overrides_are_told_with_the_others(tmp_path: Path) -> None:
    overrides = ("stages.align.batchsize=4", "seed=-1", "stages.foo.steps=1", "parallel=dpp", "nonsense", "seed=[")
    message = told(tmp_path, SMALL, *overrides)
    assert (
        "override 'stages.align.batchsize=4', unknown key 'stages.0.batchsize'; did you mean 'batch_size'?" in message
    )
    assert "override 'seed=-1', seed is -1, expected at least 0" in message
    assert "override 'stages.foo.steps=1': nothing in the list is called 'foo'; expected align or instruct" in message
    assert (
        "override 'parallel=dpp', parallel is 'dpp', expected 'none', 'ddp' or 'fsdp' (did you mean 'ddp'?)" in message
    )
    assert "override 'nonsense': expected key=value" in message
    assert "override 'seed=[': the value '[' is no YAML" in message


def test_mistakes_in_what_a_recipe_builds_on_name_its_file(tmp_path: Path) -> None:
    written(tmp_path, SMALL.replace("steps: 10", "stepz: 10"), "below.yaml")
    assert "below.yaml line 9, unknown key 'stages.0.stepz'" in told(tmp_path, "base: below.yaml\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train: {projection: 1.0e-3}", "train: {qformer: 1.0e-3}", "a linear connector has no qformer; leave it out"),
        ("type: linear", "type: linear, num_query_tokens: 8", "a linear connector has no such setting"),
        ("caption: 100", "spatial: 100", "this task is held out"),
        ("caption: 100", "capton: 100", "did you mean 'caption'?"),
        ("name: align", "name: instruct", "another stage is called 'instruct' too"),
        ("steps: 10", "steps: 10\n    start_from: best", "there is no best checkpoint before it"),
        ("steps: 10", "steps: 10\n    lora: {language: {r: 4}}", "its adapters have no learning rate"),
        ("steps: 10", "steps: 10\n    quantise: {projection: nf4}", "only vision and language can be stored"),
        ("steps: 10", "steps: 10\n    objective: blip2_stage1", "needs a connector of type qformer"),
        ("steps: 10", "steps: 10\n    features: f\n    transform: random-crop", "random crops give another picture"),
        ('  language: {from: "world:language"}\n', "", "answers needs a language model"),
        ("world:clip", "world:clap", "expected world:eva or world:clip; did you mean 'world:clip'?"),
        ("    steps: 10\n", "", "neither steps nor epochs is given"),
        ("steps: 10", "steps: 10\n    micro_batch_size: 8", "expected at most batch_size, which is 4"),
        ("data: {world: {caption: 100}}\n", "", "stage 'align' has no data"),
        ("data: {world: {caption: 100}}", "data: {sets: [coco_captoin]}", "did you mean 'coco_caption'?"),
        ("data: {world: {caption: 100}}", "data: {base: instructblib}", "did you mean 'instructblip'?"),
        ("data: {world: {caption: 100}}", "data: {world: {caption: 100}, format: vv1}", "no such conversation format"),
        ("projection: 1.0e-3}\n    steps", "projection: .inf}\n    steps", "expected a finite number"),
        ("data: {", "seed: 3000000000\ndata: {", "seed is 3000000000, expected less than 2147483648"),
        (
            "data: {world: {caption: 100}}",
            "data: {world: {caption: 1}, targets: blip}",
            "'as_written' or 'blip_caption'",
        ),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SMALL
    assert message in told(tmp_path, SMALL.replace(old, new, 1))


def test_names_and_files_that_are_not_there(tmp_path: Path) -> None:
    for given, message in (
        ("tiny/lava", "did you mean 'tiny/llava'?"),
        ("", "is empty"),
        (str(tmp_path), "is a folder"),
        (str(tmp_path / "none.yaml"), "There is no file"),
        ("../pyproject", "There is no recipe"),
    ):
        with pytest.raises(RecipeError) as caught:
            load_recipe(given)
        assert message in str(caught.value), given


def test_recipes_in_a_circle(tmp_path: Path) -> None:
    written(tmp_path, "base: b.yaml\n", "a.yaml")
    written(tmp_path, "base: a.yaml\n", "b.yaml")
    with pytest.raises(RecipeError, match=r"a\.yaml -> b\.yaml -> a\.yaml"):
        load_recipe(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [\n", "seed: 1\nseed: 2\n", "base: 3\n", "base: nowhere\n"])
def test_files_that_are_no_recipe(tmp_path: Path, text: str) -> None:
    assert "mine.yaml" in told(tmp_path, text)


def test_what_is_printed_loads_to_the_same_again(tmp_path: Path) -> None:
    first = loaded(tmp_path, SMALL, "stages.align.steps=3")
    text = resolved_yaml(first)
    assert yaml.safe_load(text)["stages"][0]["steps"] == 3
    line = next(line for line in text.splitlines() if line.strip().startswith("steps: 3"))
    assert line.endswith("# override 'stages.align.steps=3'")
    assert "batch_size: 4                                         # mine.yaml line 10" in text
    assert load_recipe(written(tmp_path, text, "again.yaml")).recipe == first.recipe
