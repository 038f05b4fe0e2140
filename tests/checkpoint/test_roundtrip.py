"""Their folder into our model, our folder into theirs: equal logits for every family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.checkpoint.reference import PROMPTS, load_theirs, our_logits, real, their_inputs, their_logits
from tests.conftest import FAMILIES
from tests.tiny import make_family, picture

from vistune.checkpoint import load_model, save_model

# Measured worst difference in float32 over all families, here and in the other tests of this file: 0.0 on one machine,
# where both sides run the same kernels.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def written(tiny_checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every tiny folder, read and written again by vistune."""
    base = tmp_path_factory.mktemp("written")
    for name, folder in tiny_checkpoints.items():
        save_model(*load_model(folder), base / name)
    return {name: base / name for name in tiny_checkpoints}


def worst(first: torch.Tensor, second: torch.Tensor) -> float:
    assert first.shape == second.shape
    return (first - second).abs().max().item()


@pytest.mark.parametrize("name", FAMILIES)
def test_their_folder_in_our_model(tiny_checkpoints: dict[str, Path], name: str) -> None:
    inputs = their_inputs(tiny_checkpoints[name])
    theirs = real(their_logits(load_theirs(tiny_checkpoints[name]), inputs), inputs)
    model, _ = load_model(tiny_checkpoints[name])
    assert worst(theirs, real(our_logits(model, inputs), inputs)) <= TOLERANCE
    assert theirs.std() > 0.1


@pytest.mark.parametrize("name", FAMILIES)
def test_our_folder_in_their_model(tiny_checkpoints: dict[str, Path], written: dict[str, Path], name: str) -> None:
    before, after = their_inputs(tiny_checkpoints[name]), their_inputs(written[name])
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    first = their_logits(load_theirs(tiny_checkpoints[name]), before)
    assert worst(real(first, before), real(their_logits(load_theirs(written[name]), after), after)) <= TOLERANCE
    model, _ = load_model(written[name])
    assert worst(real(first, before), real(our_logits(model, after), after)) <= TOLERANCE


@pytest.mark.parametrize("name", FAMILIES)
def test_processor_makes_their_token_ids(written: dict[str, Path], name: str) -> None:
    _, processor = load_model(written[name])
    theirs = their_inputs(written[name])
    mark = "<image>\n" if name.startswith("llava") else ""
    ours = processor.encode([picture(1), picture(2)], [mark + prompt for prompt in PROMPTS], raw=True, side="right")
    assert torch.equal(ours.input_ids, theirs["input_ids"])
    assert torch.equal(ours.pixel_values, theirs["pixel_values"])
    if "qformer_input_ids" in theirs:
        assert torch.equal(ours.instruction_ids, theirs["qformer_input_ids"])


@pytest.mark.parametrize("name", FAMILIES)
def test_config_and_generation_config_are_theirs(
    tiny_checkpoints: dict[str, Path], written: dict[str, Path], name: str
) -> None:
    for file in ("config.json", "generation_config.json", "processor_config.json"):
        before = json.loads((tiny_checkpoints[name] / file).read_text())
        after = json.loads((written[name] / file).read_text())
        assert before == after, file


def test_nothing_of_transformers_qformer_is_in_a_loaded_model(tiny_checkpoint: Path) -> None:
    model, _ = load_model(tiny_checkpoint)
    assert not [module for module in model.modules() if "QFormer" in type(module).__name__ and _is_theirs(module)]


def _is_theirs(module: torch.nn.Module) -> bool:
    return type(module).__module__.startswith("transformers.")


@pytest.mark.parametrize("name", ["instructblip-t5", "blip2-opt", "llava-mlp"])
def test_sharded(tmp_path: Path, tiny_checkpoints: dict[str, Path], name: str) -> None:
    theirs = make_family(tmp_path / "theirs", name, max_shard_size="100KB")
    assert len(list(theirs.glob("model-*.safetensors"))) > 1
    model, processor = load_model(theirs)
    plain, _ = load_model(tiny_checkpoints[name])
    assert_same_weights(model, plain)
    save_model(model, processor, tmp_path / "ours", max_shard_size="0.1MB")
    index = json.loads((tmp_path / "ours" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == len(list((tmp_path / "ours").glob("model-*.safetensors"))) > 1
    load_theirs(tmp_path / "ours")
    assert_same_weights(load_model(tmp_path / "ours")[0], plain)


@pytest.mark.parametrize("name", ["instructblip-t5", "blip2-opt", "llava-mlp"])
@pytest.mark.parametrize("sharded", [False, True])
def test_legacy_bin(tmp_path: Path, tiny_checkpoints: dict[str, Path], name: str, sharded: bool) -> None:
    plain, _ = load_model(tiny_checkpoints[name])
    folder = make_family(tmp_path / "bin", name)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if name == "instructblip-t5":  # old files hold every tied name, all the same storage
        for key in ("encoder.embed_tokens", "decoder.embed_tokens"):
            tensors[f"language_model.{key}.weight"] = tensors["language_model.shared.weight"]
    if sharded:
        half = len(tensors) // 2
        parts = [dict(list(tensors.items())[:half]), dict(list(tensors.items())[half:])]
        names = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
        for part, file in zip(parts, names, strict=True):
            torch.save(part, folder / file)
        weight_map = {key: file for part, file in zip(parts, names, strict=True) for key in part}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    else:
        torch.save(tensors, folder / "pytorch_model.bin")
    assert_same_weights(load_model(folder)[0], plain)


@pytest.mark.parametrize("name", ["llava-mlp", "llava-linear"])
@pytest.mark.parametrize("inner", ["", "vision_model."])
@pytest.mark.parametrize("generation", [1, 2])
def test_both_key_generations(
    tmp_path: Path, tiny_checkpoints: dict[str, Path], name: str, generation: int, inner: str
) -> None:
    plain, _ = load_model(tiny_checkpoints[name])
    folder = make_family(tmp_path / "model", name)
    tensors = {}
    for key, tensor in load_file(folder / "model.safetensors").items():
        new = key.replace("vision_tower.", f"vision_tower.{inner}")
        if generation == 2:
            new = new.replace("language_model.model.", "model.language_model.").replace(
                "language_model.lm_head", "lm_head"
            )
            new = "model." + new if new.startswith(("vision_tower", "multi_modal")) else new
        tensors[new] = tensor
    tensors["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(4)  # stored by old versions
    tensors["vision_tower.vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert_same_weights(load_model(folder)[0], plain)


def test_loaded_weights_can_be_trained_and_leave_the_file_alone(tiny_checkpoints: dict[str, Path]) -> None:
    folder = tiny_checkpoints["llava-mlp"]
    before = (folder / "model.safetensors").read_bytes()
    model, processor = load_model(folder)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = processor.encode([picture(1)], ["What?"], ["a circle"])
    assert all(parameter.is_leaf and parameter.requires_grad for parameter in model.parameters())
    first = model.train()(**batch.model_inputs()).loss
    first.backward()
    optimizer.step()
    assert model(**batch.model_inputs()).loss < first
    assert (folder / "model.safetensors").read_bytes() == before


def test_weights_outlive_the_folder_they_came_from(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    model, processor = load_model(folder)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.get_parameter("connector.linear_1.bias").add_(1)
    expected["connector.linear_1.bias"] += 1
    save_model(model, processor, folder)
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    again = load_model(folder)[0].state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in again.items())


def assert_same_weights(first: torch.nn.Module, second: torch.nn.Module) -> None:
    ours, theirs = first.state_dict(), second.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    buffers = dict(second.named_buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in first.named_buffers())
