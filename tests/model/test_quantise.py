"""Weights in few bits on the CPU: close to the exact ones, frozen, with adapters that learn through them."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests import tiny
from tests.model.test_lora import SMALL
from tests.model.vlm_rig import load, pieces

from vistune.checkpoint.adapters import put_adapter, save_adapter
from vistune.checkpoint.load import load_adapter
from vistune.errors import InputError, RecipeError
from vistune.model.lora import add_lora, merge_lora, quiet_bitsandbytes
from vistune.model.quantise import Bits, is_quantised, quantise

pytest.importorskip("bitsandbytes", reason="needs the extra 'quant'")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models wide enough for blocks of 64."""
    folder = tmp_path_factory.mktemp("wide")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "HIDDEN", 64)
        return {name: tiny.make_family(folder / name, name) for name in ("llava-mlp", "instructblip-t5")}


def test_nf4_rounds_to_its_sixteen_levels(wide: dict[str, Path]) -> None:
    """The levels of the paper's appendix E, times the largest of each 64 numbers."""
    below = [-1, -0.6961928, -0.5250731, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0]
    above = [0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1]
    levels = torch.tensor([*below, *above])
    model, _ = load(wide["llava-mlp"])
    name = "language.model.model.layers.0.self_attn.q_proj"
    exact = model.get_submodule(name).weight.detach().clone()
    quantise(model, "language")
    layer = model.get_submodule(name)
    with torch.no_grad():
        found = layer(torch.eye(layer.in_features)).T
    blocks = exact.flatten().view(-1, 64)
    scale = blocks.abs().amax(1, keepdim=True)
    nearest = levels[((blocks / scale)[..., None] - levels).abs().argmin(-1)] * scale
    # The scales are quantised themselves, to 8 bits.
    torch.testing.assert_close(found.flatten(), nearest.flatten(), rtol=0.02, atol=0.02)
    assert float((found - exact).norm() / exact.norm()) < 0.12


@pytest.mark.parametrize("kind", ["nf4", "int8"])
@pytest.mark.parametrize("family", ["llava-mlp", "instructblip-t5"])
def test_gradients_flow_through_frozen_bits(kind: Bits, family: str, wide: dict[str, Path]) -> None:
    model, inputs = pieces(wide[family])
    with torch.no_grad():
        exact = model(**inputs.model_inputs()).loss
    bytes_before = sum(parameter.nbytes for parameter in model.language.parameters())
    names = quantise(model, "language", kind)
    assert len(names) >= 12
    # Widths of 48 do not fill blocks of 64, and T5 needs its ``wo`` exact.
    assert any("down_proj" in name for name in names) == (kind == "int8" and family == "llava-mlp")
    assert not any(name.endswith(".wo") for name in names)
    assert sum(parameter.nbytes for parameter in model.language.parameters()) < bytes_before
    assert is_quantised(model.language) and not is_quantised(model.connector) and not is_quantised(model.vision)
    added = add_lora(model, {"language": SMALL}, seed=0)
    loss = model(**inputs.model_inputs()).loss
    assert 0 < abs(float(loss.detach() - exact)) < 0.1 * float(exact)
    loss.backward()
    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert all(name.startswith(("connector.", "vision.")) or name in added for name in reached)
    assert {name for name in added if ".lora_B." in name} <= reached
    assert any(name.startswith("connector.") for name in reached)


def test_adapters_go_back_on_bits_or_on_the_exact_base(wide: dict[str, Path], tmp_path: Path) -> None:
    base = wide["llava-mlp"]
    model, _ = load(base)
    quantise(model, "language")
    names = add_lora(model, {"language": SMALL}, seed=0)
    with torch.no_grad():
        for name in names:
            model.get_parameter(name).fill_(0.05)
    save_adapter(model, tmp_path / "adapter", base)
    torch.manual_seed(0)
    embeds = torch.randn(1, 5, 64)
    mask = torch.ones(1, 5, dtype=torch.long)
    with torch.no_grad():
        expected = model.language.logits(embeds, mask)
        again, _ = load(base)
        quantise(again, "language")
        put_adapter(again, tmp_path / "adapter")
        torch.testing.assert_close(again.eval().language.logits(embeds, mask), expected)
        merged, _ = load_adapter(tmp_path / "adapter", dtype="float32")
        exact = merged.language.logits(embeds, mask)
    assert 0 < float((exact - expected).norm() / exact.norm()) < 0.4


def test_mistakes_are_told(wide: dict[str, Path], tiny_checkpoints: dict[str, Path]) -> None:
    narrow, _ = load(tiny_checkpoints["llava-mlp"])
    with pytest.raises(RecipeError, match="no layer that nf4 fits"):
        quantise(narrow, "language")
    model, _ = load(wide["llava-mlp"])
    with pytest.raises(InputError, match="Unknown quantisation 'int3'"):
        quantise(model, "language", "int3")  # type: ignore[arg-type]
    quantise(model, "language")
    with pytest.raises(RecipeError, match="quantise a part once, and before LoRA"):
        quantise(model, "language")
    add_lora(model, {"language": SMALL})
    with pytest.raises(RecipeError, match="stored in few bits"):
        merge_lora(model)


def test_only_the_kernel_that_is_not_used_goes_unmentioned(caplog: pytest.LogCaptureFixture) -> None:
    quiet_bitsandbytes()
    logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
    logger.warning("Failed to load CPU gemm_4bit_forward from kernels-community: %s.", "No module named 'kernels'")
    logger.warning("Something else")
    assert caplog.messages == ["Something else"]


@pytest.mark.parametrize(
    "code", ["import vistune.model.lora as m; m._peft()", "import vistune.model.quantise as m; m._bitsandbytes()"]
)
def test_a_fresh_process_says_nothing(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
