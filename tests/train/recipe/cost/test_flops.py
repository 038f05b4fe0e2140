"""FLOPs by arithmetic against what torch counts while tiny real models learn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vistune.checkpoint import load_model
from vistune.model.contrast import uniform_draws
from vistune.model.lora import LoraSettings, add_lora
from vistune.model.recompute import recompute_activations
from vistune.model.stage1 import Stage1Config, Stage1Model
from vistune.train.parts import select_parts, set_modes
from vistune.train.recipe import Stage
from vistune.train.recipe.cost.flops import PLACES, sample_work
from vistune.train.recipe.cost.known import size_of_config
from vistune.train.recipe.cost.lengths import Lengths
from vistune.train.recipe.cost.work import total

TOLERANCE = 1e-3  # measured: none but rounding
PROMPT, TARGET, INSTRUCTION = 21, 9, 11
CONNECTOR = {"queries": 1e-3, "qformer": 1e-3, "projection": 1e-3}


def stage_of(train: dict[str, float], **settings: Any) -> Stage:
    return Stage.model_validate({"name": "s", "train": train, "steps": 1, "batch_size": 1, **settings})


def flops_of(call: Callable[[], Any]) -> float:
    """What torch counts, in matrix products of which none is fused."""
    counter = FlopCounterMode(display=False)
    # Its hooks, which tell modules apart, do not work where gradients are taken within the forward (chunked losses).
    counter.mod_tracker = _NoModules()
    with sdpa_kernel(SDPBackend.MATH), counter:
        call()
    return float(counter.get_total_flops())


class _NoModules(nullcontext[None]):
    parents: ClassVar = {"Global"}


def counted(model: nn.Module, inputs: dict[str, Any], loss: Callable[[Any], Tensor]) -> tuple[float, float]:
    """FLOPs of the forward alone, and of forward and backward together."""
    with torch.no_grad():
        forward = flops_of(lambda: model(**inputs))
    return forward, flops_of(lambda: loss(model(**inputs)).backward())


def one_sample(model: Any) -> dict[str, Any]:
    """A row with one picture, nothing padded."""
    decoder_only = not model.language.is_encoder_decoder
    text = PROMPT + TARGET * decoder_only
    image = [model.config.image_token_id] * model.num_image_tokens
    ids = torch.tensor([image + [5] * text])
    labels = torch.full((1, TARGET), 6)
    if decoder_only:
        labels = torch.full_like(ids, -100)
        labels[:, -TARGET:] = 6
    size = int(model.config.vision.backbone.image_size)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    inputs["pixel_values"] = torch.randn(1, 3, size, size)
    if model.config.instruction_aware:
        words = torch.full((1, INSTRUCTION), 7)
        inputs.update(instruction_ids=words, instruction_mask=torch.ones_like(words))
    return inputs


def compare(model: Any, stage: Stage, cached: bool = False) -> None:
    inputs = one_sample(model)
    if cached:
        with torch.no_grad():
            inputs["image_features"] = model.encode_images(inputs.pop("pixel_values"))
    select_parts(model, stage.train)
    set_modes(model, stage.train)
    recompute_activations(model, stage.checkpoint_activations)
    forward, everything = counted(model, inputs, lambda output: output.loss_sum)
    lengths = Lengths(INSTRUCTION, PROMPT, TARGET)
    work = total(sample_work(size_of_config(model.config), stage, lengths, cached).values())
    assert work.forward == pytest.approx(forward, rel=TOLERANCE)
    assert work.total == pytest.approx(everything, rel=TOLERANCE)


@pytest.mark.parametrize(
    ("family", "train"),
    [
        ("instructblip-llama", CONNECTOR),
        ("instructblip-llama", {**CONNECTOR, "ln_vision": 1e-3}),
        ("instructblip-t5", CONNECTOR),
        ("instructblip-t5", {**CONNECTOR, "language": 1e-3}),
        ("blip2-opt", {**CONNECTOR, "ln_vision": 1e-3}),
        ("blip2-opt", {"projection": 1e-3}),
        ("llava-linear", {"projection": 1e-3}),
        ("llava-mlp", {"projection": 1e-3, "language": 1e-3}),
        ("llava-mlp", {"projection": 1e-3, "language": 1e-3, "vision": 1e-4}),
    ],
)
def test_as_torch_counts(family: str, train: dict[str, float], tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load_model(tiny_checkpoints[family], device="cpu")
    compare(model, stage_of(train))


def test_cached_features(tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load_model(tiny_checkpoints["instructblip-llama"], device="cpu")
    compare(model, stage_of(CONNECTOR), cached=True)


@pytest.mark.parametrize("targets", ["linear", ("q_proj", "v_proj")])
def test_adapters(targets: Any, tiny_checkpoints: dict[str, Path]) -> None:
    pytest.importorskip("peft")
    model, _ = load_model(tiny_checkpoints["llava-mlp"], device="cpu")
    stage = stage_of({"projection": 1e-3, "language": 1e-3}, lora={"language": {"r": 4, "targets": targets}})
    add_lora(model, {"language": LoraSettings(r=4, targets=targets)})
    compare(model, stage)


@pytest.mark.parametrize(
    ("family", "parts"),
    [("llava-mlp", ["language"]), ("instructblip-t5", ["language", "qformer"]), ("blip2-opt", ["language"])],
)
def test_recomputed_activations(family: str, parts: list[str], tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load_model(tiny_checkpoints[family], device="cpu")
    train = {"projection": 1e-3} if family.startswith("llava") else CONNECTOR
    compare(model, stage_of(train, checkpoint_activations=parts))


def test_first_stage(tiny_checkpoints: dict[str, Path]) -> None:
    """ITC, ITM and ITG of a batch of four captions of equal length."""
    whole, _ = load_model(tiny_checkpoints["instructblip-llama"], device="cpu")
    config = Stage1Config(whole.config.vision, whole.config.connector.qformer, decoder_token_id=5)
    model = Stage1Model(config, vision=whole.vision, connector=whole.connector)
    train = {"ln_vision": 1e-3, "queries": 1e-3, "qformer": 1e-3, "heads": 1e-3}
    stage = stage_of(train, objective="blip2_stage1", batch_size=4)
    select_parts(model, stage.train)
    set_modes(model, stage.train)
    size = int(whole.config.vision.backbone.image_size)
    words = torch.randint(8, 20, (4, INSTRUCTION))
    inputs = {"text_ids": words, "text_mask": torch.ones_like(words), "pixel_values": torch.randn(4, 3, size, size)}
    inputs["uniform"] = uniform_draws(0, 0, 4)
    forward, everything = counted(model, inputs, lambda parts: sum(part.sum for part in parts.values()))
    work = total(sample_work(size_of_config(whole.config), stage, Lengths(INSTRUCTION, 0, 0)).values())
    assert work.forward * 4 == pytest.approx(forward, rel=TOLERANCE)
    assert work.total * 4 == pytest.approx(everything, rel=TOLERANCE)


def test_work_is_told_by_place(tiny_checkpoints: dict[str, Path]) -> None:
    """Frozen parts have no gradients of their own, parts in front of all that trains none at all."""
    model, _ = load_model(tiny_checkpoints["instructblip-llama"], device="cpu")
    work = sample_work(size_of_config(model.config), stage_of(CONNECTOR), Lengths(INSTRUCTION, PROMPT, TARGET))
    assert list(work) == [place for place in PLACES if place != "heads"]
    assert work["vision"].backward == 0
    assert work["language"].inputs > 0 and work["language"].weights == 0
    assert work["qformer"].weights > 0
