"""`vistune data build --features`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune
from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.arrow import ArrowExamples
from vistune.data.features import open_features
from vistune.data.transforms import ImageTransform


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Four rows about three pictures."""
    for number in range(3):
        picture(number).save(tmp_path / f"{number}.png")
    lines = [json.dumps({"image": f"{n % 3}.png", "question": "What?", "answer": "red"}) for n in range(4)]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_pictures_are_encoded_once_and_found_again(rows: Path, tiny_checkpoints: dict[str, Path]) -> None:
    model, out = tiny_checkpoints["instructblip-llama"], rows.parent / "built" / "mine"
    outcome = vistune("data", "build", rows, "--out", out, "--features", model, "--device", "cpu")
    assert outcome.code == 0, outcome
    assert "3 of 3 pictures encoded" in outcome.out and "worst error of storing bfloat16: 0.0" in outcome.out
    store = open_features(*load_model(model), out.parent / "features")
    assert len(store.rows_of([image for example in ArrowExamples(out) for image in example.images])) == 4
    embedded = ("--embed-images", "--features-out", out.parent / "features")
    again = vistune("data", "build", rows, "--out", out, "--features", model, "--device", "cpu", *embedded)
    assert "0 of 3 pictures encoded" in again.out, "the same bytes, in the Arrow files now"
    padded = vistune(
        "data", "build", rows, "--out", out, "--features", model, "--transform", "pad", "--features-dtype", "float16"
    )
    assert "3 of 3 pictures encoded" in padded.out
    kind = ImageTransform("pad")
    assert len(open_features(*load_model(model), out.parent / "features", transform=kind)) == 3


def test_pictures_that_do_not_open(rows: Path, tiny_checkpoints: dict[str, Path]) -> None:
    (rows.parent / "1.png").write_bytes(b"no picture")
    arguments = ("data", "build", rows, "--out", rows.parent / "built", "--features", tiny_checkpoints["llava-mlp"])
    assert "1.png" in failure(*arguments, code=1)
    outcome = vistune(*arguments, "--on-error", "skip", "--max-bad", 0.5)
    assert outcome.code == 0, outcome
    assert "2 pictures encoded, 1 left out" in outcome.out
    assert "left out: " in outcome.err and "1.png" in outcome.err


def test_mistakes_are_told_before_anything_is_written(rows: Path, tiny_checkpoints: dict[str, Path]) -> None:
    out = rows.parent / "built"
    start = ("data", "build", rows, "--out", out, "--features", tiny_checkpoints["llava-mlp"])
    assert "expected bfloat16, float16, float32" in failure(*start, "--features-dtype", "int8", code=2)
    assert "gives another picture every time" in failure(*start, "--transform", "random-crop", code=2)
    assert "expected one of checkpoint" in failure(*start, "--transform", "stretch", code=2)
    gone = failure("data", "build", rows, "--out", out, "--features", rows.parent / "gone", code=1)
    assert "gone" in gone
    assert not out.exists()
