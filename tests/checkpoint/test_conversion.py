"""`convert SRC DST`: any folder that is read, in today's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.checkpoint.reference import load_theirs
from tests.tiny import make_family

from vistune.checkpoint import convert, load_model
from vistune.errors import CheckpointError, InputError


def test_old_bin_becomes_safetensors(tmp_path: Path) -> None:
    source = make_family(tmp_path / "old", "instructblip-llama", contradictory_ids=True)
    tensors = load_file(source / "model.safetensors")
    # Two dtypes in one folder: no number may change.
    tensors["query_tokens"] = tensors["query_tokens"].to(torch.float16)
    torch.save(tensors, source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    assert convert(source, tmp_path / "new") == tmp_path / "new"
    written = load_file(tmp_path / "new" / "model.safetensors")
    assert written.keys() == tensors.keys()
    assert all(torch.equal(written[key], tensors[key]) and written[key].dtype == tensors[key].dtype for key in tensors)
    assert json.loads((tmp_path / "new" / "config.json").read_text())["text_config"]["eos_token_id"] == 2
    load_theirs(tmp_path / "new")


def test_replaces_an_older_checkpoint(tmp_path: Path) -> None:
    source = make_family(tmp_path / "source", "llava-mlp")
    target = make_family(tmp_path / "target", "instructblip-llama")
    convert(source, target)
    assert not (target / "qformer_tokenizer").exists()
    load_theirs(target)
    assert load_model(target)[0].config.connector.type == "mlp"


def test_places_that_are_refused(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    source = make_family(tmp_path / "source", "llava-mlp")
    for target, words in (
        (source / "inside", "inside SRC"),
        (source, "SRC itself"),
        (tmp_path / "source" / ".." / "source", "SRC itself"),
        (tmp_path, "around SRC"),
    ):
        with pytest.raises(InputError, match=words):
            convert(source, target)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="not empty and no checkpoint"):
        convert(source, tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
    with pytest.raises(CheckpointError):
        convert(tmp_path / "nothing", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    convert(source, tmp_path / "empty")
    load_theirs(tmp_path / "empty")
