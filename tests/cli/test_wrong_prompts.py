"""Prompts and candidates that cannot work give one sentence and exit code 2; what is cut is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune
from tests.tiny import picture


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    picture(3).save(path)
    return path


@pytest.mark.parametrize("prompt", ["", "   ", "\n"])
def test_empty_prompt(tiny_checkpoint: Path, photo: Path, prompt: str) -> None:
    assert "prompt" in failure("ask", tiny_checkpoint, photo, prompt, code=2).lower()


def test_prompt_longer_than_the_language_model_reads(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    prompt = "What colour is the thing above the green star? " * 60
    sentence = failure("ask", tiny_checkpoints["llava-mlp"], photo, prompt, "--max-new-tokens", 4, code=2)
    assert "512 positions" in sentence


def test_what_the_qformer_does_not_read_is_said(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    prompt = "What colour is the thing above the green star? " * 8
    outcome = vistune("ask", tiny_checkpoints["instructblip-llama"], photo, prompt, "--max-new-tokens", 2)
    assert outcome.code == 0, outcome
    assert outcome.err.startswith("warning: ")
    assert "Q-Former" in outcome.err


@pytest.mark.parametrize("choices", ["", "|", "yes||no", "yes| "])
def test_empty_candidate(tiny_checkpoint: Path, photo: Path, choices: str) -> None:
    assert "empty" in failure("ask", tiny_checkpoint, photo, "Is it red?", "--choices", choices, code=2)


def test_duplicate_candidate(tiny_checkpoint: Path, photo: Path) -> None:
    assert "'yes'" in failure("ask", tiny_checkpoint, photo, "Is it red?", "--choices", "yes|no|yes ", code=2)


def test_no_candidates(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    import vistune as library

    predictor = library.load(tiny_checkpoints["llava-mlp"])
    for candidates in ([], [[]]):
        with pytest.raises(library.errors.InputError, match="no candidates"):
            predictor.rank([photo], ["Is it red?"], candidates)


@pytest.mark.parametrize("prompt", ["<image>\nWhat is it?", "What is it?"])
def test_more_images_than_placeholders(tiny_checkpoints: dict[str, Path], photo: Path, prompt: str) -> None:
    sentence = failure("ask", tiny_checkpoints["llava-mlp"], photo, photo, prompt, "--raw", code=2)
    assert "2" in sentence and "<image>" in sentence


def test_fewer_images_than_placeholders(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    prompt = "<image><image>\nWhat is it?"
    assert "<image>" in failure("ask", tiny_checkpoints["llava-mlp"], photo, prompt, "--raw", code=2)
