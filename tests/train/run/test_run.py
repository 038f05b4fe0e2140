"""What a run does between its stages and at its end; in this process, on the picture world."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.run.rig import cut_down, small, weights

import vistune
from vistune.checkpoint import load_model
from vistune.checkpoint.adapters import is_adapter
from vistune.data.encode import encode_example
from vistune.data.example import Example
from vistune.data.formats.jinja import chat_template_of
from vistune.data.transforms import ImageTransform, PixelMaker
from vistune.errors import ResumeError
from vistune.train.interrupt import Interrupted
from vistune.train.recipe import load_recipe
from vistune.train.run import RunSummary, run_recipe
from vistune.train.run.model.assemble import assemble
from vistune.world.render import render
from vistune.world.scene import scenes

STAGE = "stages.instruct"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def photo() -> Any:
    return render(next(scenes("test", "photo")), 48)


def run(recipe: Any, out: Path, **options: Any) -> RunSummary:
    return run_recipe(recipe, out=out, **{"evaluator": falling, "say": lambda text: None, **options})


class Falling:
    """An evaluation whose first figure is its best."""

    def images(self) -> Iterable[Any]:
        return ()

    def on(self, setting: Any) -> Any:
        def evaluate(step: int) -> Mapping[str, float]:
            setting.model(**one_batch(setting.processor))
            return {"mean": 1 / step, "shape": step / 100, "loss": float(step)}

        return evaluate


def one_batch(processor: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = processor.encode([photo()], ["what?"], ["a ring"]).model_inputs()
    return inputs


class Rising(Falling):
    """The other way round."""

    def on(self, setting: Any) -> Any:
        return lambda step: {"count": step / 10}


def falling(stage: Any, data: Any, data_root: Any) -> Falling:
    return Falling()


def rising(stage: Any, data: Any, data_root: Any) -> Falling:
    return Rising()


def test_the_best_checkpoint_is_the_final_model(tmp_path: Path, features: Path) -> None:
    """Measured after 2, 4 and 6 steps; by the mean the first is best, by a task's own figure the last."""
    finals = {}
    for metric, evaluator, best in (("mean", falling, 2), ("count", rising, 6)):
        recipe = small("tiny/llava", features, steps=6, extra=[f"{STAGE}.evaluate.metric={metric}", f"{STAGE}.keep=1"])
        summary = run(recipe, tmp_path / metric, evaluator=evaluator)
        finals[metric] = weights(summary.model)
        assert summary.stages[-1].best_step == best
    assert not same(finals["mean"], finals["count"])
    saved = {path.name for path in (tmp_path / "mean" / "stages" / "instruct" / "checkpoints").iterdir()}
    assert saved == {"step-00000002", "step-00000006"}


def same(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_stage_begins_from_last_best_or_the_model(tmp_path: Path, features: Path) -> None:
    """A third stage that learns next to nothing shows what it began with."""
    base = cut_down("tiny/llava", features, steps=4)
    begun = {}
    for start in ("last", "best", "model"):
        path = tmp_path / f"{start}.yaml"
        source = load_recipe("tiny/llava", base)
        content: dict[str, Any] = source.recipe.model_dump(mode="json", by_alias=True)
        last = {**content["stages"][-1], "name": "third", "start_from": start, "steps": 1, "evaluate": None}
        last |= {"train": {"projection": 1e-12}, "schedule": "constant", "warmup_ratio": None}
        content["stages"].append(last)
        path.write_text(json.dumps(content))
        summary = run(load_recipe(path), tmp_path / start)
        begun[start] = weights(summary.model)
    assert not same(begun["last"], begun["best"]) and not same(begun["last"], begun["model"])
    name = next(name for name in begun["model"] if name.endswith("embed_tokens.weight"))
    untouched = load_recipe("tiny/llava", base)
    model = assemble(untouched.recipe.model, 0).whole
    assert torch.equal(begun["model"][name].float(), model.language.model.get_input_embeddings().weight)


def test_a_first_stage_is_what_the_next_recipe_begins_from(tmp_path: Path, features: Path) -> None:
    run(small("tiny/blip2_stage1", features), tmp_path / "first")
    stored = weights(tmp_path / "first" / "model")
    extra = [f"model.connector.from={tmp_path / 'first'}", "stages.align.train={projection: 1.0e-12}"]
    extra += ["stages.instruct.train={projection: 1.0e-12}", "model.connector.vocab_size=null"]
    said: list[str] = []
    recipe = small("tiny/instructblip", features, extra=extra)
    summary = run(recipe, tmp_path / "second", say=said.append)
    model, _ = load_model(summary.model)
    queries = next(value for name, value in stored.items() if name.endswith("query_tokens"))
    norm = next(value for name, value in stored.items() if name.endswith("post_layernorm.weight"))
    assert torch.equal(model.connector.query_tokens, queries)
    assert torch.equal(model.vision.backbone.post_layernorm.weight, norm)
    assert any("Q-Former from" in line and "first" in line for line in said)


@pytest.mark.parametrize("format", ["v1", "v0"])
def test_the_final_model_is_asked_as_it_was_trained(tmp_path: Path, features: Path, format: str) -> None:
    recipe = small("tiny/llava", features, extra=[f"data.format={format}"])
    summary = run(recipe, tmp_path / "run")
    predictor = vistune.load(summary.model, device="cpu")
    processor = predictor.processor
    assert processor.chat_template == chat_template_of(format)
    row = Example("x", "x", instruction="How many?", target=None, images=(photo(),))
    assert processor.prompt_ids("How many?", 1) == encode_example(processor, row, format).input_ids
    if format == "v0":
        assert predictor.model.generation_config is not None
        assert predictor.model.generation_config.stop_strings == ["###"]


def test_padded_pictures_stay_padded(tmp_path: Path, features: Path) -> None:
    """LLaVA-1.5's transform is part of the final model: the same pixels as in training."""
    summary = run(small("tiny/llava15", features), tmp_path / "run")
    loaded = vistune.load(summary.model, device="cpu").processor
    wide = photo().crop((0, 0, 48, 30))
    trained = PixelMaker(load_model(summary.model)[1].image_processor, ImageTransform("checkpoint"))
    own = assemble(load_recipe("tiny/llava15").recipe.model, 0).image_processor
    expected = PixelMaker(own, ImageTransform("pad"))([wide])
    assert torch.equal(loaded.pixels(wide), expected)
    assert torch.equal(trained([wide]), expected)


def test_adapters_of_a_whole_checkpoint_name_it_as_their_base(tmp_path: Path, features: Path) -> None:
    first = run(small("tiny/llava", features), tmp_path / "first")
    stage = {"name": "more", "train": {"language": 1e-3}, "lora": {"language": {"r": 4, "alpha": 8}}}
    stage |= {"steps": 2, "batch_size": 4, "precision": "float32"}
    path = tmp_path / "more.yaml"
    path.write_text(json.dumps({"model": str(first.folder), "data": {"world": {"shape": 20}}, "stages": [stage]}))
    second = run(load_recipe(path), tmp_path / "second")
    assert is_adapter(second.model) and not (second.folder / "base").exists()
    content = json.loads((second.model / "adapter.json").read_text())
    assert content["base"] == str(first.model.resolve())
    assert vistune.load(second.model, device="cpu").generate([photo()], ["What shape?"], max_new_tokens=3)


def test_stopping_is_told_with_where_it_stands(tmp_path: Path, features: Path) -> None:
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 6

    with pytest.raises(Interrupted, match="everything until then is kept"):
        run(small("tiny/llava", features, steps=6), tmp_path / "run", should_stop=stop)
    with pytest.raises(ResumeError, match="--resume"):
        run(small("tiny/llava", features, steps=6), tmp_path / "run")
    done = run(small("tiny/llava", features, steps=6), tmp_path / "run", resume=True)
    record = json.loads((done.folder / "run.json").read_text())
    assert len(record["sittings"]) == 2 and record["finished"]


def test_a_run_that_saved_nothing_may_be_begun_again(tmp_path: Path, features: Path) -> None:
    """A mistake that shows after the folder was made does not block it."""
    with pytest.raises(Interrupted):
        run(small("tiny/llava", tmp_path / "features"), tmp_path / "run", should_stop=lambda: True)
    for path in (tmp_path / "run").glob("stages/*/checkpoints/*"):
        shutil.rmtree(path)
    assert run(small("tiny/llava", features, extra=["seed=3"]), tmp_path / "run").model.is_dir()
