"""The packaged starting points are whole, small and load with transformers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vistune.errors import CheckpointError, InputError
from vistune.world.assets import NAMES, asset_dir, record, verify

MEGABYTE = 1_000_000


def test_checksums() -> None:
    verify()


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    shutil.copytree(asset_dir("eva").parent, tmp_path / "assets")
    (tmp_path / "assets/clip/config.json").write_text("{}")
    (tmp_path / "assets/eva/preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"clip/config.json, eva/preprocessor_config.json missing"):
        verify(tmp_path / "assets")


def test_they_are_small() -> None:
    root = asset_dir("eva").parent
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) <= 8 * MEGABYTE


def test_an_unknown_part_is_an_input_error() -> None:
    with pytest.raises(InputError, match="unknown starting point 'siglip': expected one of eva, clip, language"):
        asset_dir("siglip")


def test_the_record_says_how_they_were_made() -> None:
    made = record()
    assert {"seed", "settings", "versions", "seconds", "known_from_text", "parts", "sha256"} <= made.keys()
    for name in ("eva", "clip"):
        assert min(made["parts"][name]["probe"].values()) > 0.98
    task = made["known_from_text"]["task"]
    assert min(task[name] for name in ("colour", "shape", "place", "existence", "size", "dialogue")) > 0.9
    assert {name.split("/")[0] for name in made["sha256"]} == set(NAMES)


def test_encoders_load_with_transformers() -> None:
    import torch
    from transformers import CLIPVisionModel, InstructBlipVisionModel

    pixels = torch.zeros(2, 3, 48, 48)
    eva = InstructBlipVisionModel.from_pretrained(asset_dir("eva"))
    assert eva.dtype == torch.float32
    assert eva(pixel_values=pixels).last_hidden_state.shape == (2, 10, 128)
    clip = CLIPVisionModel.from_pretrained(asset_dir("clip"))
    assert clip(pixel_values=pixels, output_hidden_states=True).hidden_states[-2].shape == (2, 10, 128)


def test_the_language_model_answers_a_question_in_text() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(asset_dir("language"))
    model = AutoModelForCausalLM.from_pretrained(asset_dir("language"))
    assert model.config.vocab_size == len(tokenizer)
    text = "small red circle top left; large blue star center. Which color has the star? Answer:"
    output = model.generate(torch.tensor([tokenizer(text)["input_ids"]]), max_new_tokens=4, do_sample=False)
    answer = output[0, len(tokenizer(text)["input_ids"]) :]
    assert tokenizer.decode(answer, skip_special_tokens=True).strip() == "blue"
    assert int(answer[-1]) == tokenizer.eos_token_id


def test_image_processors_do_what_the_encoders_were_trained_with() -> None:
    import numpy
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor

    picture = Image.fromarray(numpy.arange(48 * 48 * 3, dtype=numpy.uint8).reshape(48, 48, 3))
    expected = (torch.tensor(numpy.asarray(picture)).permute(2, 0, 1) / 255 - 0.5) / 0.5
    for name in ("eva", "clip"):
        processor = AutoImageProcessor.from_pretrained(asset_dir(name), backend="pil")
        pixels = processor(picture, return_tensors="pt")["pixel_values"][0]
        assert torch.allclose(pixels, expected, atol=1e-5)
