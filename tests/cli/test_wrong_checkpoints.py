"""A checkpoint that cannot be loaded gives one sentence and exit code 1; nothing is half loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import failure
from tests.tiny import make_instructblip, make_llava, picture

PROMPT = "What is it?"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    picture().save(path)
    return path


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return make_llava(tmp_path / "sharded", max_shard_size="60KB")


def test_no_such_folder(photo: Path, tmp_path: Path) -> None:
    assert "no-such" in failure("ask", tmp_path / "no-such", photo, PROMPT, code=1)
    assert "no-such" in failure("convert", tmp_path / "no-such", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()


def test_file_instead_of_folder(photo: Path) -> None:
    assert "folder" in failure("ask", photo, photo, PROMPT, code=1)


def test_hub_name_without_network(photo: Path) -> None:
    sentence = failure("ask", "some-group/some-model", photo, PROMPT, code=1)
    assert "some-group/some-model" in sentence
    assert "network" in sentence


def test_hub_name_with_a_hub_that_refuses(photo: Path) -> None:
    import os

    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "vistune", "ask", "some-group/some-model", str(photo), PROMPT]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert result.returncode == 1
    assert "some-group/some-model" in result.stderr
    assert result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1, result.stderr


@pytest.mark.parametrize("content", ["nothing", "other files", "another model", "broken config"])
def test_folder_that_is_no_checkpoint(photo: Path, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if content == "other files":
        (folder / "notes.txt").write_text("hello")
    elif content == "another model":
        (folder / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"]}))
    elif content == "broken config":
        (folder / "config.json").write_text('{"model_type": "llava", ')
    assert str(folder) in failure("ask", folder, photo, PROMPT, code=1)


def test_weights_are_missing(photo: Path, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    assert str(folder) in failure("ask", folder, photo, PROMPT, code=1)


@pytest.mark.parametrize("kept", [0, 5, 1000, -100])
def test_truncated_weights(photo: Path, tmp_path: Path, kept: int) -> None:
    folder = make_llava(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    assert "model.safetensors" in failure("ask", folder, photo, PROMPT, code=1)


def test_truncated_shard(photo: Path, sharded: Path) -> None:
    shard = sorted(sharded.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-10])
    assert shard.name in failure("ask", sharded, photo, PROMPT, code=1)


def test_missing_shard(photo: Path, sharded: Path) -> None:
    shard = sorted(sharded.glob("model-*.safetensors"))[-1]
    shard.unlink()
    assert shard.name in failure("ask", sharded, photo, PROMPT, code=1)


def test_mixed_up_shards(photo: Path, sharded: Path) -> None:
    first, second = sorted(sharded.glob("model-*.safetensors"))[:2]
    aside = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(aside)
    sentence = failure("ask", sharded, photo, PROMPT, code=1)
    assert first.name in sentence or second.name in sentence


def test_shard_of_another_model(photo: Path, sharded: Path, tmp_path: Path) -> None:
    other = make_instructblip(tmp_path / "other", max_shard_size="60KB")
    target = sorted(sharded.glob("model-*.safetensors"))[0]
    shutil.copy(sorted(other.glob("model-*.safetensors"))[0], target)
    assert target.name in failure("ask", sharded, photo, PROMPT, code=1)


def test_weights_of_another_size(photo: Path, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] += 8
    (folder / "config.json").write_text(json.dumps(config))
    sentence = failure("ask", folder, photo, PROMPT, code=1)
    assert "48" in sentence and "56" in sentence, sentence


def test_no_tokenizer(photo: Path, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "model")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "tokenizer" in failure("ask", folder, photo, PROMPT, code=1)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--dtype", "float12", "float12"),
        ("--dtype", "int8", "int8"),
        ("--device", "gpu", "gpu"),
        ("--device", "cuda:77", "cuda:77"),
        ("--device", "meta", "meta"),
    ],
)
def test_unknown_dtype_or_device(
    photo: Path, tiny_checkpoints: dict[str, Path], option: str, value: str, expected: str
) -> None:
    assert repr(expected) in failure("ask", tiny_checkpoints["llava-mlp"], photo, PROMPT, option, value, code=2)
