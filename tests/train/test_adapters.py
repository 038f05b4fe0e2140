"""A stage's ``lora`` and ``quantise`` on a model: what trains, what stays, that it learns; and frozen dropout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests import tiny
from tests.model.stage1_rig import batch, build
from tests.model.vlm_rig import load, pieces
from torch import nn

from vistune.data.batch import Batch
from vistune.errors import RecipeError
from vistune.model.lora import is_lora, lora_parts
from vistune.model.quantise import is_quantised
from vistune.model.vlm import VisionLanguageModel
from vistune.train.adapters import apply_lora, quantise_parts
from vistune.train.objectives.blip2_stage1 import Stage1Objective
from vistune.train.parts import parts_text, select_parts, set_modes
from vistune.train.recipe.stage import Stage

LORA = {"r": 2, "alpha": 4, "dropout": 0.0}


def stage(**settings: Any) -> Stage:
    return Stage(**{"name": "s", "train": {"projection": 1e-3}, "steps": 1, "batch_size": 4, **settings})


def learn(model: VisionLanguageModel, inputs: Batch, settings: Stage, steps: int = 12) -> list[float]:
    """Losses of one batch while it is learned."""
    trained = select_parts(model, settings.train)
    set_modes(model, settings.train)
    groups = [{"params": [p for _, p in named], "lr": settings.train[part]} for part, named in trained.items()]
    optimiser = torch.optim.AdamW(groups)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = model(**inputs.model_inputs()).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough for blocks of 64."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "HIDDEN", 64)
        return tiny.make_family(tmp_path_factory.mktemp("wide") / "llava-mlp", "llava-mlp")


def test_only_adapters_and_what_is_named_learn(tiny_checkpoints: dict[str, Path]) -> None:
    model, inputs = pieces(tiny_checkpoints["instructblip-t5"])
    settings = stage(
        train={"projection": 1e-3, "language": 1e-2, "qformer": 1e-2}, lora={"language": LORA, "qformer": LORA}
    )
    names = apply_lora(model, settings, seed=0)
    assert lora_parts(model) == ["qformer", "language"] and all(is_lora(name) for name in names)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    losses = learn(model, inputs, settings)
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    # Nobody reads the text that comes out of the Q-Former's last layer.
    text = ("layer.3.intermediate.dense.lora_B", "layer.3.output.dense.lora_B")
    unread = {name for name in names if any(place in name for place in text)}
    assert len(unread) == 2
    assert moved == {*names, "connector.projection.weight", "connector.projection.bias"} - unread
    assert losses[-1] < 0.8 * losses[0]


def test_qlora_learns_on_the_cpu(wide: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra 'quant'")
    model, inputs = pieces(wide)
    count = sum(parameter.numel() for parameter in model.language.parameters())
    settings = stage(
        train={"projection": 1e-3, "language": 1e-2}, lora={"language": LORA}, quantise={"language": "nf4"}
    )
    quantised = quantise_parts(model, settings)
    assert all(name.startswith("language.model.") for name in quantised) and is_quantised(model.language)
    names = apply_lora(model, settings, seed=0)
    assert f"language {count:,}" in parts_text(model, settings.train)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    losses = learn(model, inputs, settings)
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {name for name in before if name in names or name.startswith("connector.")}
    assert losses[-1] < 0.8 * losses[0]


def test_the_first_stage_takes_adapters_too() -> None:
    model, pairs = build(), batch(4)
    settings = stage(objective="blip2_stage1", train={"qformer": 1e-3, "heads": 1e-3}, lora={"qformer": LORA})
    names = apply_lora(model, settings, seed=0)
    trained = select_parts(model, settings.train)
    assert [name for name, _ in trained["qformer"]] == names
    Stage1Objective(seed=0)(model, [pairs], 0)
    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached <= {*names, *(name for name, _ in trained["heads"])}


def test_nothing_named_changes_nothing(tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load(tiny_checkpoints["llava-mlp"])
    names = list(model.state_dict())
    assert apply_lora(model, stage(), 0) == quantise_parts(model, stage()) == []
    assert list(model.state_dict()) == names
    wrong = stage().model_copy(update={"lora": {"projection": None}})
    with pytest.raises(RecipeError, match="not 'projection'"):
        apply_lora(model, wrong, 0)


def test_counts_tell_adapters_apart(tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load(tiny_checkpoints["llava-mlp"])
    own = sum(parameter.numel() for parameter in model.language.parameters())
    names = apply_lora(model, stage(train={"language": 1e-3}, lora={"language": LORA}), 0)
    count = sum(model.get_parameter(name).numel() for name in names)
    text = parts_text(model, ["language"])
    assert text.startswith(f"trains: language LoRA {count:,}; frozen: ")
    assert f"language {own:,}" in text


def test_frozen_dropout_comes_back_where_lavis_left_it_on(tiny_checkpoints: dict[str, Path]) -> None:
    from vistune.checkpoint import load_model

    model, _ = load_model(tiny_checkpoints["instructblip-t5"], dtype="float32")
    _, inputs = pieces(tiny_checkpoints["instructblip-t5"])
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.3

    def losses() -> set[float]:
        with torch.no_grad():
            return {float(model(**inputs.model_inputs()).loss) for _ in range(3)}

    set_modes(model, ["projection"])
    assert len(losses()) == 1
    set_modes(model, ["projection"], frozen_dropout=True)
    assert len(losses()) == 3
    assert not model.vision.training and not model.connector.qformer.training
    assert all(module.training for module in model.language.modules())
