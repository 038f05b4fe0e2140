"""What does not fit is named, with its part and the likely cause, and nothing is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.tiny import make_family

from vistune.checkpoint import load_model
from vistune.checkpoint.key_names import compress
from vistune.errors import CheckpointError

Tensors = dict[str, torch.Tensor]


def broken(tmp_path: Path, name: str, change: Callable[[Tensors], Tensors]) -> Path:
    folder = make_family(tmp_path / "model", name)
    tensors = change(load_file(folder / "model.safetensors"))
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def without(*prefixes: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if not key.startswith(prefixes)}


def test_every_missing_key_is_named_by_part(tmp_path: Path) -> None:
    gone = ("query_tokens", "vision_model.post_layernorm.bias", "language_model.model.layers.1.mlp")
    message = refusal(broken(tmp_path, "instructblip-llama", without(*gone)))
    assert "vision: 1 missing (vision_model.post_layernorm.bias)" in message
    assert "connector: 1 missing (query_tokens)" in message
    assert "language: 3 missing (language_model.model.layers.1.mlp." in message
    assert "nothing was loaded" in message


def test_every_unexpected_key_is_named(tmp_path: Path) -> None:
    extra = {"qformer.bert.pooler.weight": torch.zeros(2), "language_model.model.extra": torch.zeros(1)}
    message = refusal(broken(tmp_path, "blip2-opt", lambda tensors: {**tensors, **extra}))
    assert "connector: 1 unexpected (qformer.bert.pooler.weight)" in message
    assert "language: 1 unexpected (language_model.model.extra)" in message


def test_wrong_shapes_are_told(tmp_path: Path) -> None:
    def change(tensors: Tensors) -> Tensors:
        return {**tensors, "language_model.lm_head.weight": tensors["language_model.lm_head.weight"][:100]}

    message = refusal(broken(tmp_path, "llava-mlp", change))
    assert "language_model.lm_head.weight is [100, 32], expected [512, 32]" in message
    assert "vocab_size" in message


def test_untied_head_may_not_be_missing(tmp_path: Path) -> None:
    message = refusal(broken(tmp_path, "llava-mlp", without("language_model.lm_head")))
    assert "language: 1 missing (language_model.lm_head.weight)" in message
    assert "tie_word_embeddings" in message


def test_tied_head_may_be_missing(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    del tensors["language_model.lm_head.weight"]
    save_file(tensors, folder / "model.safetensors")
    model, _ = load_model(folder)
    language = model.language.model
    assert language.get_output_embeddings().weight is language.get_input_embeddings().weight


@pytest.mark.parametrize(
    ("rename", "cause"),
    [
        (lambda key: f"base_model.model.{key}.lora_A.weight", "LoRA adapter"),
        (lambda key: f"module.{key}", "training wrapper"),
        (lambda key: f"model.mm_projector.{key}", "original LLaVA code"),
        (lambda key: f"visual_encoder.{key}", "LAVIS"),
        (lambda key: f"strange.{key}", "another key generation"),
    ],
)
def test_likely_cause(tmp_path: Path, rename: Callable[[str], str], cause: str) -> None:
    folder = broken(tmp_path, "llava-mlp", lambda tensors: {rename(key): value for key, value in tensors.items()})
    assert cause in refusal(folder)


def test_only_what_was_trained(tmp_path: Path) -> None:
    message = refusal(broken(tmp_path, "instructblip-t5", without("vision_model", "language_model")))
    assert "no vision and no language weights" in message


def test_two_generations_of_one_key(tmp_path: Path) -> None:
    def change(tensors: Tensors) -> Tensors:
        return {**tensors, "lm_head.weight": tensors["language_model.lm_head.weight"].clone()}

    assert "1 unexpected" in refusal(broken(tmp_path, "llava-mlp", change))


def test_long_lists_stay_readable() -> None:
    keys = [f"layers.{number}.{name}.weight" for number in (0, 1, 2, 5) for name in ("fc1", "fc2")]
    assert compress([*keys, "head.weight", "layers"]) == "layers, layers.{0-2,5}.{fc1,fc2}.weight, head.weight"
    assert compress(keys[:2]) == "layers.0.fc1.weight, layers.0.fc2.weight"


def test_truncated_file(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert "cut off" in refusal(folder)
    file.write_bytes(b"")
    assert "empty (0 bytes)" in refusal(folder)
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "git lfs pull" in refusal(folder)


def test_shards(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp", max_shard_size="100KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    content = [shard.read_bytes() for shard in shards]
    shards[1].unlink()
    message = refusal(folder)
    assert shards[1].name in message
    assert "missing" in message
    shards[1].write_bytes(content[0])
    shards[0].write_bytes(content[1])
    assert "swapped or of different checkpoints" in refusal(folder)
    shards[0].write_bytes(content[0])
    shards[1].write_bytes(content[1][:-8])
    assert "cut off" in refusal(folder)
    (folder / "model.safetensors.index.json").unlink()
    assert "fetch the index too" in refusal(folder)


def test_pickles_that_would_run_code_are_refused(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    (folder / "model.safetensors").unlink()
    file = folder / "pytorch_model.bin"
    torch.save({"weight": Path("harmless")}, file)
    assert "would run code" in refusal(folder)
    file.write_bytes(b"PK\x03\x04 and then nothing that torch knows")
    assert "cut off or no PyTorch file" in refusal(folder)


def test_quantised_weights(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes"}
    (folder / "config.json").write_text(json.dumps(config))
    assert "quantised" in refusal(folder)
