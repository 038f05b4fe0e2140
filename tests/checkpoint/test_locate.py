"""What is no checkpoint gets one sentence that says what it is."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import make_family

from vistune.checkpoint import load_model, read_config
from vistune.errors import CheckpointError, InputError


def refusal(source: str | Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_no_such_folder(tmp_path: Path) -> None:
    assert "There is no folder" in refusal(tmp_path / "nothing")
    assert "There is no folder 'nothing'" in refusal("nothing")
    assert "There is no folder" in refusal("a/b/c")


def test_hub_name_without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    message = refusal("nobody/no-such-model")
    assert "'nobody/no-such-model'" in message
    assert "cannot be reached" in message


def test_hub_name_in_the_cache(monkeypatch: pytest.MonkeyPatch, tiny_checkpoints: dict[str, Path]) -> None:
    calls: list[dict[str, Any]] = []

    def snapshot(name: str, **options: Any) -> str:
        calls.append({"name": name, **options})
        return str(tiny_checkpoints["llava-mlp"])

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    load_model("somebody/tiny", revision="v1")
    assert [call["name"] for call in calls] == ["somebody/tiny"]
    assert calls[0]["revision"] == "v1"
    assert not any(pattern.endswith(".bin") for pattern in calls[0]["allow_patterns"])


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "mm_projector.bin").write_bytes(b"x")
    assert "LLaVA projector file" in refusal(tmp_path / "mm_projector.bin")
    (tmp_path / "blip.pth").write_bytes(b"x")
    assert "LAVIS" in refusal(tmp_path / "blip.pth")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "it is empty"),
        ({"notes.txt": "hello"}, "has no config.json"),
        ({"adapter_config.json": "{}"}, "LoRA adapter"),
        ({"mm_projector.bin": "x"}, "LLaVA projector file"),
        ({"checkpoint.pth": "x"}, "LAVIS"),
        ({"config.json": "{"}, "no valid JSON"),
        ({"config.json": "[]"}, "holds a list"),
        ({"config.json": '{"model_type": "bert"}'}, "type 'bert'"),
        ({"config.json": '{"model_type": "llava_llama", "mm_projector_type": "linear"}'}, "original LLaVA code"),
    ],
)
def test_folders_that_are_no_checkpoint(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert words in refusal(tmp_path)
    with pytest.raises(CheckpointError):
        read_config(tmp_path)


def test_the_folder_of_a_run_tells_where_its_model_is(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert f"give its model, '{tmp_path / 'model'}'" in refusal(tmp_path)


def test_unknown_dtype_and_device(tiny_checkpoints: dict[str, Path]) -> None:
    folder = tiny_checkpoints["llava-mlp"]
    with pytest.raises(InputError, match="Unknown dtype 'float7'"):
        load_model(folder, dtype="float7")  # type: ignore[arg-type]
    for device in ("abacus", "cuda:99"):
        with pytest.raises(InputError, match=f"Device '{device}'"):
            load_model(folder, device=device)


def test_missing_pieces_of_a_folder(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "instructblip-llama")
    (folder / "qformer_tokenizer").rename(tmp_path / "elsewhere")
    # transformers takes the language model's tokenizer in its place, without an error.
    assert "'qformer_tokenizer'" in refusal(folder)
    (tmp_path / "elsewhere").rename(folder / "qformer_tokenizer")
    settings = (folder / "processor_config.json").read_text()
    (folder / "processor_config.json").unlink()
    assert "image processor" in refusal(folder)
    (folder / "processor_config.json").write_text(settings)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert "tokenizer" in refusal(folder)


@pytest.mark.parametrize("piece", ["tokenizer", "images"])
def test_code_from_the_folder_is_only_run_if_asked_for(tmp_path: Path, piece: str) -> None:
    folder = make_family(tmp_path / "model", "llava-mlp")
    ran = tmp_path / "ran"
    (folder / f"evil_{piece}.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Evil: pass\n")
    name = {"tokenizer": "tokenizer_config.json", "images": "processor_config.json"}[piece]
    content = json.loads((folder / name).read_text())
    if piece == "tokenizer":
        content.update(tokenizer_class="Evil", auto_map={"AutoTokenizer": [None, "evil_tokenizer.Evil"]})
    else:
        content["image_processor"].update(
            image_processor_type="Evil", auto_map={"AutoImageProcessor": "evil_images.Evil"}
        )
    (folder / name).write_text(json.dumps(content))
    with contextlib.suppress(CheckpointError):
        load_model(folder)
    assert not ran.exists()
    with pytest.raises(
        (AttributeError, CheckpointError)
    ):  # the trap works: its class is no tokenizer and no image processor
        load_model(folder, trust_remote_code=True)
    assert ran.exists()
