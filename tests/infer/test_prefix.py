"""Prompts that share their picture: read once, and answered as if read alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import picture

import vistune
from vistune.data.batch import Encoded
from vistune.infer.predictor import Predictor

PICTURES = [picture(0), picture(1)]
QUESTIONS = ["what is it?", "what?", "what is this thing in the middle of the picture, and what colour has it?"]


@pytest.fixture(params=["llava-mlp", "llava-linear", "blip2-opt", "instructblip-llama"])
def predictor(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> Predictor:
    return vistune.load(tiny_checkpoints[request.param], device="cpu", dtype="float32")


def samples(predictor: Predictor, shared: bool) -> list[Encoded]:
    """Two pictures with three questions each; ``shared``: with one tensor of features a picture."""
    made = []
    for number, image in enumerate(PICTURES):
        pixels = predictor.processor.pixels(image)
        assert pixels is not None
        with torch.inference_mode():
            features = predictor.model.encode_images(pixels)
        for question in QUESTIONS:
            encoded = predictor.processor.encode_one(
                question, image, id=f"{number} {question}", image_features=features
            )
            made.append(encoded if shared else replace(encoded, image_features=features.clone()))
    return made


def read_columns(predictor: Predictor, run: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, int]:
    """What a run gives, and how many positions the language model's embeddings went into."""
    count = 0
    model = predictor.model.language.model.get_decoder()
    original = model.forward

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        inputs = named["inputs_embeds"] if named.get("inputs_embeds") is not None else named["input_ids"]
        count += inputs.shape[0] * inputs.shape[1]
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(model, "forward", counting)
        return run(), count


@pytest.mark.parametrize("repetition_penalty", [1.0, 1.5])
def test_free_answers_are_the_same(
    predictor: Predictor, repetition_penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"max_new_tokens": 6, "num_beams": 1, "do_sample": False, "repetition_penalty": repetition_penalty}
    alone = predictor.generate_encoded(samples(predictor, False), **arguments)
    found, _ = read_columns(
        predictor, lambda: predictor.generate_encoded(samples(predictor, True), **arguments), monkeypatch
    )
    assert found == alone and len(set(found)) > 1
    assert predictor.generate_encoded(samples(predictor, True), **{**arguments, "num_beams": 2}) == (
        predictor.generate_encoded(samples(predictor, False), **{**arguments, "num_beams": 2})
    )


def test_scores_are_the_same(predictor: Predictor) -> None:
    candidates = ["red", "a small star", "a small square"]
    alone = predictor.rank_encoded(samples(predictor, False), candidates)
    found = predictor.rank_encoded(samples(predictor, True), candidates)
    for one, other in zip(alone, found, strict=True):
        assert other.scores == pytest.approx(one.scores, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("how", ["greedy", "beams", "rank"])
def test_a_picture_is_read_once(how: str, tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = vistune.load(tiny_checkpoints["llava-mlp"], device="cpu", dtype="float32")

    def run(rows: list[Encoded]) -> object:
        if how == "rank":
            return predictor.rank_encoded(rows, ["red"])
        return predictor.generate_encoded(rows, max_new_tokens=1, num_beams=3 if how == "beams" else 1, do_sample=False)

    counts = []
    for shared in (False, True):
        rows = samples(predictor, shared)
        counts.append(read_columns(predictor, lambda rows=rows: run(rows), monkeypatch)[1])
    # Six rows about two pictures: four readings less.
    assert counts[0] - counts[1] >= 4 * predictor.processor.num_image_tokens
