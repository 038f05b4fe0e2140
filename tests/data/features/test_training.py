"""Training on features from a folder is training on the pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.tiny import picture
from tests.train.rig import WORDS, load, stage

from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.data.features import Features, LoadFeatures, build_features, final_norm, load_features, open_features
from vistune.data.instruction_set import InstructionSet
from vistune.data.loader import Loader
from vistune.data.mixture import Mixture
from vistune.data.plans import StepPlanner
from vistune.errors import RecipeError
from vistune.train.in_memory import run_in_memory
from vistune.train.reports.json_log import JsonLog

PARTS = {"ln_vision": 1e-2, "queries": 1e-2, "qformer": 1e-3, "projection": 1e-2}


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Questions about one or two of five files."""
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        picture(number).save(path)
    return [
        Example(str(n), "a", f"What is thing number {n}?", WORDS[n % 4], tuple(paths[n % 5 :][: 1 + n % 2]))
        for n in range(9)
    ]


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 2e-4), (torch.bfloat16, 1e-3)], ids=str
)
def test_losses_with_ln_vision_training_are_those_on_pixels(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, examples: list[Example], dtype: torch.dtype, tolerance: float
) -> None:
    """Worst relative differences seen: none stored as float32, 2e-5 as float16, 8e-5 as bfloat16."""
    runs = {}
    for kept in (False, True):
        model, processor = load(tiny_checkpoints["instructblip-llama"])
        features: Features | None = None
        before = model.vision.backbone.post_layernorm.weight.detach().clone()
        if kept:
            images = [image for example in examples for image in example.images]
            build_features(model, processor, images, tmp_path / "features", dtype=dtype)
            features = open_features(model, processor, tmp_path / "features")
        data = [EncodedSet("a", examples, processor, features)]
        folder = tmp_path / str(kept)
        run_in_memory(model, stage(train=PARTS), data, processor, folder, reports=[JsonLog(folder)]).run()
        runs[kept] = losses(tmp_path / str(kept)), model.vision.backbone.post_layernorm.weight.detach().clone()
    assert runs[True][0] == pytest.approx(runs[False][0], rel=tolerance)
    assert (runs[True][1] - before).abs().max() > 0.01, "the norm has learned"
    torch.testing.assert_close(runs[True][1], runs[False][1], rtol=0, atol=max(1e-5, tolerance))


def test_the_trained_norm_still_reads_the_folder(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, examples: list[Example]
) -> None:
    model, processor = load(tiny_checkpoints["instructblip-llama"])
    images = [image for example in examples for image in example.images]
    build_features(model, processor, images, tmp_path / "features")
    store = open_features(model, processor, tmp_path / "features")
    data = [EncodedSet("a", examples, processor, store)]
    run_in_memory(model, stage(train=PARTS), data, processor, tmp_path).run()
    assert len(open_features(model, processor, tmp_path / "features")) == 5
    with pytest.raises(RecipeError, match="'vision' on cached features"):
        run_in_memory(model, stage(train={"vision": 1.0}), data, processor, tmp_path / "other")


def test_samples_are_given_features_for_their_pictures(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, examples: list[Example]
) -> None:
    model, processor = load(tiny_checkpoints["llava-mlp"])
    images = [image for example in examples for image in example.images]
    build_features(model, processor, images, tmp_path / "features", dtype=torch.float32)
    store = open_features(model, processor, tmp_path / "features")
    sample = load_features(processor.encode_example(examples[1]), store)
    assert sample.image_features is not None and sample.num_images == 2
    pixels = processor.load(processor.encode_example(examples[1])).pixel_values
    assert pixels is not None
    with torch.no_grad():
        torch.testing.assert_close(sample.image_features, model.encode_images(pixels))
    text = processor.encode_example(Example("t", "a", "Why?", "yes"))
    assert load_features(text, store) is text


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_a_loader_hold_features(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, examples: list[Example], workers: int
) -> None:
    model, processor = load(tiny_checkpoints["instructblip-llama"])
    images = [image for example in examples for image in example.images]
    build_features(model, processor, images, tmp_path / "features", dtype=torch.float32)
    store = open_features(model, processor, tmp_path / "features")
    data = [InstructionSet("a", examples, processor)]
    plans = [StepPlanner(Mixture({"a": len(examples)}, seed=1), 4) for _ in range(2)]
    norm = final_norm(model)
    assert norm is not None
    kept = list(Loader(plans[0], data, processor, load=LoadFeatures(store), workers=workers, steps=3))
    opened = list(Loader(plans[1], data, processor, steps=3))
    for with_features, with_pixels in zip(kept, opened, strict=True):
        assert with_features.pixel_values is None and with_features.image_features is not None
        assert torch.equal(with_features.input_ids, with_pixels.input_ids)
        with torch.no_grad():
            expected = model.encode_images(with_pixels.pixel_values)
            torch.testing.assert_close(norm(with_features.image_features), expected)
