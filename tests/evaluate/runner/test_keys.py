"""A key is equal if and only if model, prompt, settings, candidates and pictures are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from tests.evaluate.runner.rig import GREEDY, RANKED, predictor, questions
from tests.tiny import picture

from vistune.data.example import Example
from vistune.evaluate.runner.asking import How, rows_to_ask
from vistune.evaluate.runner.keys import model_key, weights_hash


def test_a_model_s_key_is_that_of_its_weights(tiny_checkpoints: dict[str, Path]) -> None:
    folder = tiny_checkpoints["instructblip-llama"]
    model, again = predictor(folder), predictor(folder)
    key = model_key(model)
    assert key == model_key(again) and len(key) == 32
    with torch.no_grad():
        again.model.connector.projection.bias[0] += 1e-7
    assert model_key(again) != key
    other = predictor(tiny_checkpoints["instructblip-t5"])
    assert model_key(other) != key


def test_what_is_no_weight_counts_too(tiny_checkpoints: dict[str, Path]) -> None:
    model = predictor(tiny_checkpoints["llava-mlp"])
    key = model_key(model)
    assert model.model.generation_config is not None
    model.model.generation_config.num_beams = 3
    other = model_key(model)
    assert other != key
    model.processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    assert model_key(model) not in (key, other)
    assert weights_hash(model.model) == weights_hash(predictor(tiny_checkpoints["llava-mlp"]).model)
    model.model.half()
    assert weights_hash(model.model) != weights_hash(predictor(tiny_checkpoints["llava-mlp"]).model)


def test_rows(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    processor = predictor(tiny_checkpoints["llava-mlp"]).processor

    def key(example: Example, how: How = GREEDY, model: str = "m") -> str:
        [row] = rows_to_ask(processor, [example], how, model)
        return row.key

    [first, second] = questions(tmp_path, 2, 1)
    first = replace(first, candidates=("red", "blue"))
    own = key(first)
    assert own == key(replace(first, id="other", target="x", references=("y",)))
    longer = How("generate", {**GREEDY.arguments, "max_new_tokens": 6})
    others = [
        key(replace(first, instruction=first.instruction + "?")),
        key(replace(first, images=second.images)),
        key(first, longer),
        key(first, RANKED),
        key(replace(first, candidates=("blue", "red")), RANKED),
        key(first, model="n"),
    ]
    assert len({own, *others}) == len(others) + 1
    # The same picture under another name is the same; another one under the same name is not.
    copied = tmp_path / "copy.png"
    copied.write_bytes((tmp_path / "0.png").read_bytes())
    assert key(replace(first, images=(copied,))) == own
    picture(9).save(tmp_path / "0.png")
    assert key(first) != own
