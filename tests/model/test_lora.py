"""Adapters on parts: nothing changes until they learn, only they learn, merged equals apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.model.vlm_rig import load, pieces

from vistune.errors import RecipeError
from vistune.model.lora import LoraPart, LoraSettings, add_lora, is_lora, lora_parts, merge_lora
from vistune.model.vlm import VisionLanguageModel

SMALL = LoraSettings(r=2, alpha=4, dropout=0.0)


def shake(model: VisionLanguageModel) -> None:
    """B starts at zero; as if it had learned."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if is_lora(name):
                parameter.add_(0.3 * torch.randn_like(parameter))


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "blip2-opt", "llava-mlp"])
def test_unlearned_adapters_change_nothing_and_merged_ones_equal_them(
    family: str, tiny_checkpoints: dict[str, Path]
) -> None:
    model, inputs = pieces(tiny_checkpoints[family])
    parts: list[LoraPart] = ["vision", "language"] if "llava" in family else ["vision", "qformer", "language"]
    names = list(model.state_dict())
    with torch.no_grad():
        plain = model(**inputs.model_inputs()).loss
        added = add_lora(model, dict.fromkeys(parts, SMALL))
        assert lora_parts(model) == parts
        torch.testing.assert_close(model(**inputs.model_inputs()).loss, plain)
        shake(model)
        apart = model(**inputs.model_inputs()).loss
        merge_lora(model)
        merged = model(**inputs.model_inputs()).loss
    assert abs(float(apart - plain)) > 1e-3
    torch.testing.assert_close(merged, apart, rtol=1e-5, atol=1e-5)
    assert list(model.state_dict()) == names and not lora_parts(model)
    assert not any("lm_head" in name or "projection" in name.split(".")[1] for name in added)


def test_llavas_choice_of_layers(tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load(tiny_checkpoints["llava-mlp"])
    added = add_lora(model, {"language": SMALL})
    words = {name.split(".lora_")[0].rpartition(".")[2] for name in added}
    assert words == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert len(added) == 2 * 2 * len(words)


def test_mistakes_are_told(tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load(tiny_checkpoints["llava-mlp"])
    with pytest.raises(RecipeError, match="q_projj of the part 'language', whose layers are down_proj, gate_proj"):
        add_lora(model, {"language": LoraSettings(targets=("q_projj",))})
    with pytest.raises(RecipeError, match="'qformer', which this model does not have"):
        add_lora(model, {"qformer": SMALL})
    with pytest.raises(RecipeError, match="rank r=0"):
        LoraSettings(r=0)
    add_lora(model, {"language": LoraSettings(r=1, targets=("q_proj",))})
    with pytest.raises(RecipeError, match="has adapters already"):
        add_lora(model, {"language": SMALL})


def test_the_start_is_a_function_of_the_seed(tiny_checkpoints: dict[str, Path]) -> None:
    starts = []
    for seed in (1, 1, 2):
        model, _ = load(tiny_checkpoints["llava-mlp"])
        name = add_lora(model, {"language": SMALL}, seed=seed)[0]
        starts.append(model.get_parameter(name).detach())
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])
