"""Prompts, instructions and targets as tokens."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from tests.families import Pair, load_pair

from vistune.data.batch import IGNORE, collate
from vistune.errors import InputError


@pytest.fixture
def pair(tiny_checkpoint: Path) -> Pair:
    return load_pair(tiny_checkpoint)


def test_exactly_the_answer_and_the_closing_token_are_learned(pair: Pair) -> None:
    processor = pair.predictor.processor
    sample = processor.encode_one("what is this?", pair.pictures[0], "a red circle")
    answer = [
        *processor.tokenizer("a red circle", add_special_tokens=False)["input_ids"],
        processor.tokenizer.eos_token_id,
    ]
    learned = [label for label in sample.labels if label != IGNORE]
    assert learned == answer
    if processor.encoder_decoder:
        assert sample.labels == answer
    else:
        assert sample.input_ids[-len(answer) :] == answer
        assert len(sample.labels) == len(sample.input_ids)


def test_padding_side(pair: Pair) -> None:
    processor = pair.predictor.processor
    samples = [processor.encode_one(text) for text in ("hi", "a somewhat longer prompt")]
    left, right = processor.collate(samples, "left"), processor.collate(samples, "right")
    pads = len(samples[1].input_ids) - len(samples[0].input_ids)
    assert left.attention_mask[0].tolist() == [0] * pads + [1] * len(samples[0].input_ids)
    assert right.attention_mask[0].tolist() == [1] * len(samples[0].input_ids) + [0] * pads
    assert left.input_ids[0, pads:].tolist() == samples[0].input_ids


def test_a_long_instruction_is_cut_at_its_front_and_said(
    tiny_checkpoints: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    processor = load_pair(tiny_checkpoints["instructblip-llama"]).predictor.processor
    text = "first words then " + "circle " * 200
    with caplog.at_level(logging.WARNING):
        ids = processor.instruction_ids(text)
    assert len(ids) == processor.max_instruction_tokens
    assert ids == processor.qformer_tokenizer(text)["input_ids"][-len(ids) :]
    assert "cut from its front: 'first words then" in caplog.text


def test_marks_must_fit_the_images(tiny_checkpoints: dict[str, Path]) -> None:
    first = load_pair(tiny_checkpoints["instructblip-llama"])
    with pytest.raises(InputError, match="puts an image before the prompt by itself"):
        first.predictor.processor.encode_one("what is <image>?", first.pictures[0], raw=True)


def test_encoded_samples_with_features_and_pixels_do_not_mix(pair: Pair) -> None:
    processor = pair.predictor.processor
    pixels = processor.encode_one("hi", pair.pictures[0])
    features = processor.encode_one("hi", image_features=torch.zeros(1, 17, 32))
    with pytest.raises(ValueError, match="not both"):
        processor.collate([pixels, features])
    with pytest.raises(ValueError, match="at least one sample"):
        collate([], 0)


def test_image_processors_are_the_pil_ones(pair: Pair) -> None:
    assert type(pair.predictor.processor.image_processor).__name__.endswith("Pil")
