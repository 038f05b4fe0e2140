"""Adapter folders: saved, loaded, merged, and read by peft itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.cli.commands import vistune as vistune_command
from tests.model.test_lora import SMALL, shake
from tests.model.vlm_rig import pieces
from tests.tiny import picture
from transformers import AutoModelForImageTextToText

import vistune
from vistune.checkpoint import convert, load_model, read_config
from vistune.checkpoint.adapters import put_adapter, save_adapter
from vistune.checkpoint.config_writer import model_config_to_dict
from vistune.checkpoint.load import load_adapter
from vistune.checkpoint.opening import open_folder
from vistune.checkpoint.processors import build_processor
from vistune.data.batch import Batch
from vistune.errors import CheckpointError, RecipeError
from vistune.infer.predictor import Predictor
from vistune.model.lora import add_lora, lora_parts
from vistune.model.vlm import VisionLanguageModel


def trained(folder: Path) -> tuple[VisionLanguageModel, Batch]:
    """Adapters on everything that takes them, and a projection, as if they had learned."""
    model, inputs = pieces(folder)
    model.requires_grad_(False)
    settings = {"vision": SMALL, "language": SMALL}
    if hasattr(model.connector, "qformer"):
        settings["qformer"] = SMALL
    add_lora(model, settings, seed=0)
    shake(model)
    for name, parameter in model.named_parameters():
        if name.startswith("connector.") and ("projection" in name or "linear" in name):
            parameter.requires_grad_(True)
            parameter.data += 0.1
    return model, inputs


def loss(model: VisionLanguageModel, inputs: Batch) -> float:
    with torch.no_grad():
        return float(model(**inputs.model_inputs()).loss)


@pytest.mark.parametrize("family", ["instructblip-t5", "blip2-opt", "llava-mlp"])
def test_saved_loaded_and_merged(family: str, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    base = tiny_checkpoints[family]
    model, inputs = trained(base)
    expected = loss(model, inputs)
    save_adapter(model, tmp_path / "adapter", base)
    size = sum(path.stat().st_size for path in (tmp_path / "adapter").rglob("*") if path.is_file())
    apart, _ = load_adapter(tmp_path / "adapter", merge=False, dtype="float32")
    assert loss(apart, inputs) == pytest.approx(expected, rel=1e-6)
    assert lora_parts(apart) == lora_parts(model)
    assert {n for n, p in apart.named_parameters() if p.requires_grad} >= {
        n for n, p in model.named_parameters() if p.requires_grad
    }
    merged, _ = load_model(tmp_path / "adapter", dtype="float32")
    assert not lora_parts(merged)
    assert loss(merged, inputs) == pytest.approx(expected, rel=1e-4)
    convert(tmp_path / "adapter", tmp_path / "whole")
    whole, _ = load_model(tmp_path / "whole", dtype="float32")
    assert loss(whole, inputs) == pytest.approx(expected, rel=1e-4)
    assert size < sum(path.stat().st_size for path in (tmp_path / "whole").rglob("*") if path.is_file())


def test_an_adapter_folder_answers_like_any_model(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    base = tiny_checkpoints["llava-mlp"]
    model, _ = trained(base)
    save_adapter(model, tmp_path / "adapter", base)
    assert vistune_command("convert", tmp_path / "adapter", tmp_path / "whole").code == 0
    question = {"images": [picture()], "prompts": ["what is it?"], "max_new_tokens": 6}
    _, processor = load_model(base)
    expected = Predictor(model.eval(), processor).generate(**question)
    for folder, same in ((tmp_path / "adapter", True), (tmp_path / "whole", True), (base, False)):
        assert (vistune.load(folder, device="cpu").generate(**question) == expected) is same


def test_their_config_and_processor_are_those_of_the_base(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    base = tiny_checkpoints["instructblip-t5"]
    model, _ = trained(base)
    save_adapter(model, tmp_path / "adapter", base)
    config = read_config(tmp_path / "adapter")
    assert model_config_to_dict(config) == model_config_to_dict(read_config(base))
    processor = build_processor(open_folder(tmp_path / "adapter"))
    assert processor.encode([picture()], ["what?"], ["a ring"]).ids == ["row 0"]


def test_peft_reads_the_adapters_of_the_language_model(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from peft import PeftModel

    base = tiny_checkpoints["blip2-opt"]
    model, _ = trained(base)
    save_adapter(model, tmp_path / "adapter", base)
    other = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32).language_model
    theirs = PeftModel.from_pretrained(other, tmp_path / "adapter" / "language").eval()
    ids = torch.tensor([[2, 50, 60, 70, 80]])
    with torch.no_grad():
        torch.testing.assert_close(
            theirs(input_ids=ids).logits, model.language.model(input_ids=ids).logits, rtol=1e-4, atol=1e-4
        )


def test_adapters_and_the_base_beside_them_can_be_moved(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_checkpoints["llava-mlp"], run / "base")
    model, inputs = trained(run / "base")
    save_adapter(model, run / "model", run / "base")
    expected = loss(model, inputs)
    with pytest.raises(CheckpointError, match=r"is the folder of a run; give its model, '.*run/model'"):
        load_model(run)
    run.rename(tmp_path / "elsewhere")
    again, _ = load_model(tmp_path / "elsewhere" / "model", dtype="float32")
    assert loss(again, inputs) == pytest.approx(expected, rel=1e-4)


def test_what_does_not_fit_is_told(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    base = tmp_path / "llava-base"
    shutil.copytree(tiny_checkpoints["llava-mlp"], base)
    plain, _ = load_model(base)
    with pytest.raises(RecipeError, match="no adapters to save"):
        save_adapter(plain, tmp_path / "adapter", base)
    model, _ = trained(base)
    folder = tmp_path / "adapter"
    save_adapter(model, folder, base)
    other, _ = load_model(tiny_checkpoints["llava-linear"])
    with pytest.raises(CheckpointError, match=r"trained\.safetensors' does not fit the model: connector\.linear_1"):
        put_adapter(other, folder)
    weights = folder / "language" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(folder)
    weights.write_bytes(whole)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "note": 1}))
    with pytest.raises(CheckpointError, match="not that of the base model"):
        load_model(folder)
    shutil.rmtree(base)
    for read in (load_model, read_config):
        with pytest.raises(CheckpointError, match="which is not there; bring it back"):
            read(folder)
    again, _ = load_adapter(folder, tiny_checkpoints["llava-mlp"])
    assert not lora_parts(again)
