"""Activations computed again: the same losses and gradients, less memory, in frozen parts too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.conftest import FAMILIES
from tests.model.stage1_rig import batch, build
from tests.model.vlm_rig import pieces
from torch import Tensor, nn

from vistune.data.batch import Batch
from vistune.errors import RecipeError
from vistune.model.contrast import uniform_draws
from vistune.model.recompute import Recomputed, keep_activations, recompute_activations
from vistune.model.vlm import VisionLanguageModel


def measure(model: VisionLanguageModel, inputs: Batch) -> tuple[float, int, dict[str, Tensor]]:
    """Loss, bytes that the backward is waiting with, gradients."""
    model.zero_grad()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(**inputs.model_inputs()).loss
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return float(loss.detach()), sum(kept.values()), grads


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("training", [True, False])
def test_losses_and_gradients_are_equal(family: str, training: bool, tiny_checkpoints: dict[str, Path]) -> None:
    model, inputs = pieces(tiny_checkpoints[family])
    if training:  # with dropout, which must be drawn alike
        model.train()
        for module in model.modules():
            if type(module).__name__ == "Dropout":
                module.p = 0.2
    else:
        model.language.requires_grad_(False)
    loss, memory, grads = measure(model, inputs)
    parts: tuple[Recomputed, ...] = ("vision", "language") if "llava" in family else ("vision", "qformer", "language")
    count = recompute_activations(model, parts)
    assert recompute_activations(model, parts) == count >= 4
    again, less, same = measure(model, inputs)
    assert again == pytest.approx(loss, rel=1e-6)
    assert same.keys() == grads.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(same[name], grad, rtol=1e-5, atol=1e-6)
    assert less < 0.75 * memory
    keep_activations(model)
    assert measure(model, inputs)[1] == pytest.approx(memory, rel=0.05)


def test_the_first_stage_too() -> None:
    results = []
    for recomputed in (False, True):
        model = build(dropout=0.2).train()
        if recomputed:
            recompute_activations(model, ("vision", "qformer"))
        torch.manual_seed(0)
        parts = model(**batch(4).model_inputs(), uniform=uniform_draws(0, 0, 4))
        loss = torch.stack([part.sum / part.count for part in parts.values()]).sum()
        loss.backward()
        results.append((loss.detach(), [parameter.grad for parameter in model.parameters()]))
    torch.testing.assert_close(results[0], results[1])


def test_generation_is_left_alone(tiny_checkpoints: dict[str, Path]) -> None:
    from tests.tiny import picture

    from vistune.infer.predictor import load as load_predictor

    predictor = load_predictor(tiny_checkpoints["instructblip-llama"], device="cpu")
    before = predictor.generate([picture()], ["what is it?"], max_new_tokens=5)
    recompute_activations(predictor.model, ("vision", "qformer", "language"))
    assert predictor.generate([picture()], ["what is it?"], max_new_tokens=5) == before


def test_a_part_that_is_not_there_is_told(tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = pieces(tiny_checkpoints["llava-linear"])
    with pytest.raises(RecipeError, match="'qformer', which this model does not have"):
        recompute_activations(model, ("qformer",))
