"""Memory, time and lengths of stages; the page of the published runs."""

from __future__ import annotations

import json

import pytest
from docs.scaling import PAGE, RUNS, UTILISATION, page

from vistune.errors import InputError
from vistune.train.parts import parameters_by_part
from vistune.train.recipe import Stage, load_recipe, recipe_names
from vistune.train.recipe.cost.estimate import Machine, StageCost, as_json, estimate
from vistune.train.recipe.cost.hardware import GPUS, gpu_of
from vistune.train.recipe.cost.lengths import mean_lengths, samples_in, samples_of
from vistune.train.recipe.cost.text import amount, cost_text, duration
from vistune.train.recipe.cost.work import total
from vistune.train.run.model.assemble import assemble

MACHINE = Machine(GPUS["a100-80"], 8)


def cost_of(name: str, *overrides: str, stage: int = -1, machine: Machine = MACHINE) -> StageCost:
    return estimate(load_recipe(name, overrides).recipe, machine)[stage]


def test_the_page_says_what_the_function_computes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python docs/scaling.py"


def test_the_page_has_every_published_kind() -> None:
    assert {run.recipe.split("_")[0] for run in RUNS} == {"blip2", "instructblip", "finetune", "llava", "llava15"}
    assert UTILISATION == 0.4


def test_time_is_work_over_peak() -> None:
    cost = cost_of("instructblip_vicuna7b", "stages.instruct.steps=1000")
    flops, hours = cost.flops(), cost.gpu_hours()
    assert flops == pytest.approx(total(cost.work.values()).total * 128 * 1000)
    assert flops is not None and hours == pytest.approx(flops / (0.4 * 312e12) / 3600)
    assert cost.utilisation_of(hours / 8) == pytest.approx(0.4)
    cached = cost.gpu_hours(cached=True)
    assert cached is not None and hours is not None and cached < hours


def test_precision_chooses_the_peak() -> None:
    peaks = {
        (precision, tf32): MACHINE.gpu.peak(
            Stage.model_validate(
                {
                    "name": "s",
                    "train": {"projection": 1},
                    "steps": 1,
                    "batch_size": 1,
                    "precision": precision,
                    "tf32": tf32,
                }
            )
        )
        for precision, tf32 in (("float16", False), ("float32", True), ("float32", False))
    }
    assert list(peaks.values()) == [312e12, 156e12, 19.5e12]


def test_a_trained_encoder_cannot_be_cached() -> None:
    cost = cost_of("llava15_7b", "stages.instruct.train.vision=1e-6")
    assert cost.cached is None and cost.flops(cached=True) is None
    assert cost.work["vision"].weights > 0


def test_a_cache_needs_pictures_that_stay_the_same() -> None:
    words = "needs another transform than random-crop"
    for overrides, told in (((), True), (("stages.instruct.transform=resize",), False)):
        loaded = load_recipe("instructblip_vicuna7b", overrides)
        assert (words in cost_text(loaded, estimate(loaded.recipe, MACHINE))) is told


def test_rows_of_ones_own_leave_lengths_open() -> None:
    overrides = ("stages.instruct.data={sets: [{name: mine, path: rows.jsonl}], format: v1}",)
    cost = cost_of("llava15_7b", *overrides)
    assert cost.samples is None and cost.steps is None and cost.flops() is None
    assert cost_of("llava15_7b", *overrides, "stages.instruct.steps=10").flops() is not None


def test_shares_follow_sizes() -> None:
    recipe = load_recipe("instructblip_vicuna7b").recipe
    data = recipe.data_of(recipe.stages[0])
    samples = {sample.name: sample for sample in samples_of(data, "answers")}
    assert sum(sample.share for sample in samples.values()) == pytest.approx(1)
    ratio = samples["coco_caption"].share / samples["vqav2"].share
    assert ratio == pytest.approx((566_747 / 443_757) ** 0.5)
    # OKVQA was raised: twice its share by size.
    assert samples["okvqa"].share / samples["vqav2"].share == pytest.approx(2 * (9_009 / 443_757) ** 0.5)
    assert mean_lengths(list(samples.values())).images == pytest.approx(1)


def test_lengths_follow_the_settings() -> None:
    recipe = load_recipe("tiny/blip2_stage2_prefix").recipe
    represent, speak = (samples_of(recipe.data_of(stage), stage.objective)[0].lengths for stage in recipe.stages)
    assert represent.prompt == represent.target == 0 < represent.instruction
    whole = samples_of(recipe.data_of(recipe.stages[1]), "answers")[0].lengths
    assert speak.target < whole.target
    assert samples_in(recipe.data_of(recipe.stages[0])) == 12_000


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_has_a_cost(name: str) -> None:
    for cost in estimate(load_recipe(name).recipe, MACHINE):
        assert cost.steps is not None and cost.gpu_hours() is not None
        assert sum(cost.trains.values()) > 0 and cost.needed["fsdp"] is not None


def test_shapes() -> None:
    assert cost_of("llava15_7b").shapes == {
        "pixel_values": (3, 336, 336),
        "image_features": (576, 1024),
        "image_embeds": (576, 4096),
        "inputs_embeds": (814, 4096),
        "learned_logits": (101, 32_000),
    }
    instruct = cost_of("instructblip_flant5xl")
    assert instruct.shapes["image_features"] == (257, 1408)
    assert instruct.shapes["qformer"] == (32 + round(instruct.lengths.instruction), 768)
    assert instruct.shapes["decoder_inputs"][1] == 2048
    assert "image_embeds" not in cost_of("blip2_stage1").shapes


def test_counts_are_those_of_the_model_that_is_built() -> None:
    for name in ("tiny/instructblip", "tiny/llava15"):
        recipe = load_recipe(name).recipe
        model = assemble(recipe.model, seed=0).model
        cost = estimate(recipe, MACHINE)[-1]
        built = {part: sum(p.numel() for _, p in named) for part, named in parameters_by_part(model).items()}
        assert {**cost.trains, **cost.frozen} == built


def test_as_json_is_plain_and_the_text_names_everything() -> None:
    loaded = load_recipe("tiny/blip2_stage2")
    costs = estimate(loaded.recipe, MACHINE)
    content = json.loads(json.dumps(as_json(costs)))
    assert [stage["name"] for stage in content] == ["represent", "speak"]
    assert content[1]["work"]["language"]["total"] == total([costs[1].work["language"]]).total
    assert content[0]["spread"]["none"]["memory"]["total"] == costs[0].spread["none"].memory.total
    text = cost_text(loaded, costs)
    for word in (
        "shapes: pixel_values [B, 3,",
        "trains: ln_vision 256",
        "frozen: vision 761,344",
        "with cached features",
        "fsdp",
        "GPU-hours",
    ):
        assert word in text


def test_amounts() -> None:
    assert (amount(1.234e13, "FLOP"), amount(0), amount(999)) == ("12.3 TFLOP", "0", "999")
    assert (duration(72), duration(3), duration(0.5), duration(1 / 3600)) == (
        "3.0 days",
        "3.0 hours",
        "30.0 minutes",
        "1 seconds",
    )


def test_unknown_gpu() -> None:
    with pytest.raises(InputError, match=r"There is no GPU 'a1000'.*a100-40"):
        gpu_of("a1000")
