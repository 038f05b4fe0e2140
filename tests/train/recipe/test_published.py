"""Every recipe that comes with vistune: it resolves, and holds what was published."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.train.recipe.writing import written

from vistune.train.recipe import Recipe, load_recipe, recipe_names, resolved_yaml
from vistune.train.recipe.cost.lengths import samples_in
from vistune.train.recipe.locate import recipes_folder
from vistune.train.schedule import num_steps, rate_factor

QFORMER_PARTS = {"ln_vision", "queries", "qformer", "projection"}

# InstructBLIP section 2.6. For all: at most 60,000 steps, validation every 3,000.
INSTRUCTBLIP = {
    "objective": "answers",
    "steps": 60_000,
    "warmup_steps": 1_000,
    "warmup_start": 1e-3,
    "schedule": "cosine",
    "final": 0.0,
    "betas": (0.9, 0.999),
    "weight_decay": 0.05,
    "train": dict.fromkeys(sorted(QFORMER_PARTS), 1e-5),
    "evaluate.every": 3_000,
    "evaluate.metric": "mean",
}
# BLIP-2 section 3.4.
BLIP2 = {
    "betas": (0.9, 0.98),
    "weight_decay": 0.05,
    "warmup_steps": 2_000,
    "schedule": "cosine",
    "transform.kind": "random-crop",
    "transform.flip": True,
}
STAGE1 = {**BLIP2, "objective": "blip2_stage1", "steps": 250_000, "batch_size": 1_680, "precision": "float16"}
STAGE2 = {**BLIP2, "steps": 80_000, "final": 0.5, "train": dict.fromkeys(sorted(QFORMER_PARTS), 1e-4)}
OPT = {**STAGE2, "objective": "answers", "batch_size": 1_920, "precision": "float16"}
T5 = {**STAGE2, "objective": "prefix_lm", "batch_size": 1_520, "precision": "bfloat16"}
# LLaVA appendix C, LLaVA-1.5 table 9, and their scripts.
LLAVA = {
    "objective": "answers",
    "warmup_ratio": 0.03,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "precision": "bfloat16",
    "tf32": True,
    "checkpoint_activations": ("language",),
}
BOTH = ("language", "projection")
# BLIP-2 appendix, fine-tuning on VQAv2; InstructBLIP's own settings for its table 3 were not published.
FINETUNE = {"epochs": 5, "batch_size": 128, "betas": (0.9, 0.999), "train": INSTRUCTBLIP["train"]}

PUBLISHED: dict[tuple[str, str], dict[str, Any]] = {
    ("blip2_stage1", "represent"): STAGE1,
    ("blip2_stage2_opt2.7b", "speak"): OPT,
    ("blip2_stage2_opt6.7b", "speak"): OPT,
    ("blip2_stage2_flant5xl", "speak"): T5,
    ("blip2_stage2_flant5xxl", "speak"): T5,
    ("blip2_stage2_vicuna7b", "speak"): OPT,
    ("blip2_stage2_vicuna13b", "speak"): OPT,
    ("instructblip_flant5xl", "instruct"): {**INSTRUCTBLIP, "batch_size": 192},
    ("instructblip_flant5xxl", "instruct"): {**INSTRUCTBLIP, "batch_size": 64},
    ("instructblip_vicuna7b", "instruct"): {**INSTRUCTBLIP, "batch_size": 128},
    ("instructblip_vicuna13b", "instruct"): {**INSTRUCTBLIP, "batch_size": 64},
    ("instructblip_not_balanced_flant5xl", "instruct"): {**INSTRUCTBLIP, "batch_size": 192},
    ("instructblip_not_balanced_vicuna7b", "instruct"): {**INSTRUCTBLIP, "batch_size": 128},
    ("instructblip_not_instruction_aware_flant5xl", "instruct"): {**INSTRUCTBLIP, "batch_size": 192},
    ("instructblip_not_instruction_aware_vicuna7b", "instruct"): {**INSTRUCTBLIP, "batch_size": 128},
    ("instructblip_multitask_plain_flant5xl", "instruct"): {**INSTRUCTBLIP, "batch_size": 192},
    ("instructblip_multitask_identifier_flant5xl", "instruct"): {**INSTRUCTBLIP, "batch_size": 192},
    **{
        (f"finetune_{name}_{model}", "finetune"): FINETUNE
        for name in ("scienceqa", "ocrvqa", "okvqa", "aokvqa")
        for model in ("flant5xxl", "vicuna7b")
    },
    **{
        entry: value
        for model in ("7b", "13b")
        for entry, value in {
            (f"llava_{model}", "align"): {**LLAVA, "epochs": 1, "batch_size": 128, "train": {"projection": 2e-3}},
            (f"llava_{model}", "instruct"): {
                **LLAVA,
                "epochs": 3,
                "batch_size": 32,
                "train": dict.fromkeys(BOTH, 2e-5),
            },
            (f"llava15_{model}", "align"): {**LLAVA, "epochs": 1, "batch_size": 256, "train": {"projection": 1e-3}},
            (f"llava15_{model}", "instruct"): {
                **LLAVA,
                "epochs": 1,
                "batch_size": 128,
                "train": dict.fromkeys(BOTH, 2e-5),
            },
            (f"llava15_lora_{model}", "align"): {**LLAVA, "epochs": 1, "batch_size": 256},
            (f"llava15_lora_{model}", "instruct"): {
                **LLAVA,
                "epochs": 1,
                "batch_size": 128,
                "train": {"language": 2e-4, "projection": 2e-5},
                "lora": {"language": {"r": 128, "alpha": 256.0, "dropout": 0.05, "targets": "linear"}},
            },
        }.items()
    },
    ("llava_scienceqa_13b", "align"): {**LLAVA, "epochs": 1, "batch_size": 128, "train": {"projection": 2e-3}},
    ("llava_scienceqa_13b", "instruct"): {
        **LLAVA,
        "epochs": 12,
        "batch_size": 128,
        "train": dict.fromkeys(BOTH, 2e-5),
    },
}


def packaged(name: str) -> Recipe:
    return load_recipe(name).recipe


def setting(stage: Any, key: str) -> Any:
    for part in key.split("."):
        stage = stage[part]
    return stage


def test_names_are_all_files_but_those_of_claims() -> None:
    folder = recipes_folder()
    files = {path for path in folder.rglob("*.yaml") if path.relative_to(folder).parts[0] != "claims"}
    assert len(files) == len(recipe_names()) > 40


@pytest.mark.parametrize("name", recipe_names())
def test_it_resolves_and_what_is_printed_is_the_same(name: str, tmp_path: Path) -> None:
    loaded = load_recipe(name)
    assert loaded.recipe.title
    assert load_recipe(written(tmp_path, resolved_yaml(loaded))).recipe == loaded.recipe


@pytest.mark.parametrize("name", [name for name in recipe_names() if not name.startswith("tiny/")])
def test_every_published_recipe_says_where_it_is_from(name: str) -> None:
    assert packaged(name).source
    assert {stage for recipe, stage in PUBLISHED if recipe == name} == {s.name for s in packaged(name).stages}


@pytest.mark.parametrize(("name", "stage_name"), PUBLISHED, ids=lambda part: part)
def test_published_numbers(name: str, stage_name: str) -> None:
    stage = next(stage for stage in packaged(name).stages if stage.name == stage_name)
    content = stage.model_dump()
    for key, value in PUBLISHED[name, stage_name].items():
        assert setting(content, key) == value, key


@pytest.mark.parametrize("name", [name for name in recipe_names() if not name.startswith("tiny/")])
def test_words_and_activation_are_those_of_lavis(name: str) -> None:
    """Its BLIP-2 configs name blip_caption; its Flan-T5 has the exact GELU (blip2_t5.py, blip2_t5_instruct.py)."""
    content = packaged(name).model_dump()
    stages = [stage["data"] for stage in content["stages"]]
    told = {data["targets"] for data in (content["data"], *stages) if data is not None}
    assert told == {"blip_caption" if name.startswith("blip2_") else "as_written"}
    language = packaged(name).model.language
    if language is not None:
        assert language.t5_activation == ("gelu" if "flan-t5" in language.from_ else None)


def test_they_are_in_the_wheel() -> None:
    """Where an installed package looks for them."""
    settings = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {"recipes": "vistune/recipes"}


def test_all_published_runs_have_a_tiny_version() -> None:
    kinds = {"blip2_stage1", "blip2_stage2", "instructblip", "finetune", "llava", "llava15", "llava15_lora"}
    kinds |= {f"instructblip_{name}" for name in ("not_balanced", "not_instruction_aware")}
    kinds |= {f"instructblip_multitask_{name}" for name in ("plain", "identifier")} | {"llava_scienceqa"}
    assert {f"tiny/{kind}" for kind in kinds} <= set(recipe_names())


@pytest.mark.parametrize("model", ["flant5xl", "vicuna7b"])
def test_ablations_differ_in_what_they_ablate_only(model: str) -> None:
    whole = packaged(f"instructblip_{model}")
    unaware = packaged(f"instructblip_not_instruction_aware_{model}")
    assert whole.model.connector is not None and whole.model.connector.instruction_aware
    assert unaware.model.connector is not None and not unaware.model.connector.instruction_aware
    assert (unaware.stages, unaware.data) == (whole.stages, whole.data)
    unbalanced = packaged(f"instructblip_not_balanced_{model}")
    assert unbalanced.data is not None and whole.data is not None
    assert (whole.data.power, unbalanced.data.power) == (0.5, 1.0)
    assert {choice.weight for choice in unbalanced.data.sets} == {1.0}
    assert [choice.name for choice in unbalanced.data.sets] == [choice.name for choice in whole.data.sets]
    assert (unbalanced.model, unbalanced.stages) == (whole.model, whole.stages)


def test_multitask_variants_differ_in_style() -> None:
    styles = {name: packaged(f"instructblip_multitask_{name}_flant5xl").data for name in ("plain", "identifier")}
    assert {name: data.style for name, data in styles.items() if data} == {"plain": "plain", "identifier": "identifier"}


@pytest.mark.parametrize(("step", "rate"), [(0, 1e-8), (500, 5.005e-6), (1_000, 1e-5), (30_500, 5e-6), (60_000, 0.0)])
def test_instructblip_learning_rate(step: int, rate: float) -> None:
    """Linear from 1e-8 to 1e-5 in 1,000 steps, then a cosine to 0 (section 2.6)."""
    stage = packaged("instructblip_vicuna7b").stages[0]
    assert stage.train["qformer"] * rate_factor(stage, step, 60_000) == pytest.approx(rate, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize(("step", "rate"), [(2_000, 1e-4), (41_000, 7.5e-5), (80_000, 5e-5)])
def test_blip2_stage2_learning_rate(step: int, rate: float) -> None:
    """From 1e-4 down to 5e-5 (section 3.4)."""
    stage = packaged("blip2_stage2_flant5xl").stages[0]
    assert stage.train["qformer"] * rate_factor(stage, step, 80_000) == pytest.approx(rate)


def test_llava_lengths_and_learning_rate() -> None:
    """558K pairs in batches of 256, 665K talks in batches of 128; 3 % warm-up, rounded up as in transformers."""
    align, instruct = packaged("llava15_7b").stages
    recipe = packaged("llava15_7b")
    steps = [num_steps(stage, samples_in(recipe.data_of(stage)) or 0) for stage in (align, instruct)]
    assert steps == [2_180, 5_196]
    assert rate_factor(align, 65, 2_180) == pytest.approx(65 / 66)
    assert rate_factor(align, 66, 2_180) == pytest.approx(1.0)
    assert rate_factor(instruct, 0, 5_196) == 0.0
    assert rate_factor(instruct, 156 + 2_520, 5_196) == pytest.approx(0.5, abs=1e-3)


def test_llava_paper_formats() -> None:
    formats = {
        name: [packaged(name).data_of(stage).format for stage in packaged(name).stages]
        for name in ("llava_13b", "llava15_7b")
    }
    assert formats == {"llava_13b": ["v0", "v0"], "llava15_7b": ["plain", "v1"]}


def test_held_in_sets() -> None:
    data = packaged("instructblip_vicuna13b").data
    assert data is not None
    assert len(data.sets) == 13 and data.homogeneous and data.power == 0.5
    weights = {choice.name: choice.weight for choice in data.sets}
    assert weights["aokvqa"] < 1 < weights["okvqa"]  # section 2.4: lowered and raised by hand
