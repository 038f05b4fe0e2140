"""Parameters by arithmetic: of real models as tiny ones have them, and as they were published."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import FAMILIES

from vistune.checkpoint import load_model
from vistune.checkpoint.adapters import save_adapter
from vistune.errors import RecipeError
from vistune.model.lora import LoraSettings, add_lora, is_lora
from vistune.model.stage1 import Stage1Config, Stage1Model
from vistune.train.parts import parameters_by_part
from vistune.train.recipe import load_recipe
from vistune.train.recipe.cost.configs import language_size, vision_size
from vistune.train.recipe.cost.known import model_size, size_of_config
from vistune.train.recipe.cost.memory import frozen_parameters, trained_parameters
from vistune.train.recipe.cost.work import lora_parameters
from vistune.train.recipe.parts import Model
from vistune.train.recipe.stage import Lora


def counts(model: object) -> dict[str, int]:
    return {
        part: sum(parameter.numel() for _, parameter in named)
        for part, named in parameters_by_part(model).items()  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_as_tiny_models_have_them(family: str, tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load_model(tiny_checkpoints[family], device="cpu")
    found = counts(model)
    if family == "llava-linear":
        # transformers writes LLaVA's one Linear as two, the second an identity.
        found["projection"] = model.connector.projection.weight.numel() + model.connector.projection.bias.numel()
    assert size_of_config(model.config).parameters() == found
    assert model_size(Model.model_validate(str(tiny_checkpoints[family]))).parameters() == found


def test_a_run_that_ended_in_adapters_has_the_sizes_of_its_base(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    base = tiny_checkpoints["llava-mlp"]
    model, _ = load_model(base)
    add_lora(model, {"language": LoraSettings(r=2)})
    save_adapter(model, tmp_path / "run" / "model", base)
    whole = size_of_config(model.config).parameters()
    for place in (tmp_path / "run", tmp_path / "run" / "model"):
        assert model_size(Model.model_validate(str(place))).parameters() == whole
        name = {"from": str(place)}
        parts = Model.model_validate({"vision": name, "connector": {"type": "linear"}, "language": name})
        found = model_size(parts).parameters()
        assert (found["vision"], found["language"]) == (whole["vision"], whole["language"])


def test_first_stage(tiny_checkpoints: dict[str, Path]) -> None:
    whole, _ = load_model(tiny_checkpoints["instructblip-llama"], device="cpu")
    config = Stage1Config(whole.config.vision, whole.config.connector.qformer, decoder_token_id=5)
    model = Stage1Model(config, vision=whole.vision, connector=whole.connector)
    assert size_of_config(whole.config).parameters(heads=True)["heads"] == counts(model)["heads"]


@pytest.mark.parametrize("part", ["language", "qformer", "vision"])
@pytest.mark.parametrize("family", ["instructblip-t5", "blip2-opt", "instructblip-llama"])
def test_adapters(family: str, part: str, tiny_checkpoints: dict[str, Path]) -> None:
    pytest.importorskip("peft")
    model, _ = load_model(tiny_checkpoints[family], device="cpu")
    matrices = size_of_config(model.config).part_matrices(part)  # type: ignore[arg-type]
    add_lora(model, {part: LoraSettings(r=3)})  # type: ignore[dict-item]
    added = sum(parameter.numel() for name, parameter in model.named_parameters() if is_lora(name))
    assert lora_parameters(matrices, Lora(r=3)) == added


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        # What InstructBLIP calls 188M (section 2.6), and LAVIS' code makes of it.
        ("instructblip_flant5xl", 187_262_464),
        ("instructblip_flant5xxl", 188_837_376),
        ("instructblip_vicuna7b", 188_837_376),
        ("instructblip_vicuna13b", 189_624_832),
        ("finetune_okvqa_vicuna7b", 188_837_376),
        # BLIP-2's stage 2 without the Q-Former's text part: 105.14M and the projection (with ln_vision).
        ("blip2_stage2_opt2.7b", 105_137_664 + 24_576 + 2_816 + 1_968_640),
        ("blip2_stage1", 186_705_470),
        ("llava15_7b", 20_979_712),  # mm_projector.bin
        ("llava15_13b", 31_467_520),
    ],
)
def test_published_counts_of_what_trains(name: str, trained: int) -> None:
    recipe = load_recipe(name).recipe
    assert sum(trained_parameters(model_size(recipe.model), recipe.stages[0]).values()) == trained


def test_published_counts_of_what_is_frozen() -> None:
    recipe = load_recipe("instructblip_vicuna7b").recipe
    frozen = frozen_parameters(model_size(recipe.model), recipe.stages[0])
    # LAVIS' encoder has 985,894,528; transformers' layout keeps the keys' biases, which are zero, as well.
    assert frozen["vision"] == 985_894_528 + 39 * 1408
    assert frozen["language"] == 6_738_415_616
    sizes = {
        name: model_size(load_recipe(name).recipe.model).language for name in ("llava15_13b", "blip2_stage2_flant5xl")
    }
    assert {name: size.parameters for name, size in sizes.items() if size} == {
        "llava15_13b": 13_015_864_320,
        "blip2_stage2_flant5xl": 2_849_757_184,
    }


def test_folders_of_checkpoints_and_runs(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """The final model of a run, and parts of a whole checkpoint."""
    whole = tiny_checkpoints["instructblip-t5"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model").symlink_to(whole)
    expected = model_size(Model.model_validate(str(whole)))
    assert model_size(Model.model_validate(str(tmp_path / "run"))) == expected
    parts = {
        "vision": {"from": str(whole)},
        "connector": {"type": "mlp"},
        "language": {"from": str(tmp_path / "run")},
    }
    taken = model_size(Model.model_validate(parts))
    assert (taken.vision, taken.language) == (expected.vision, expected.language)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match=r"has no config\.json"):
        model_size(Model.model_validate({**parts, "vision": {"from": str(tmp_path / "empty")}}))


def test_added_tokens_of_whole_checkpoints() -> None:
    """InstructBLIP's Vicuna has [PAD] beside its 32,000 tokens; llava-hf grew to a multiple of 64."""
    for name, vocab in (("Salesforce/instructblip-vicuna-7b", 32_001), ("llava-hf/llava-1.5-7b-hf", 32_064)):
        language = model_size(Model.model_validate(name)).language
        assert language is not None and language.vocab == vocab


def test_unknown_models_are_told() -> None:
    with pytest.raises(RecipeError, match=r"did you mean 'lmsys/vicuna-7b-v1\.5'"):
        model_size(
            Model.model_validate(
                {
                    "vision": {"from": "openai/clip-vit-large-patch14"},
                    "connector": {"type": "mlp"},
                    "language": {"from": "lmsys/vicuna-7b-v1.6"},
                }
            )
        )
    with pytest.raises(RecipeError, match="'mamba' are not known; expected llama"):
        language_size({"model_type": "mamba"})
    with pytest.raises(RecipeError, match="'resnet' are not known"):
        vision_size({"model_type": "resnet"})
