"""Retrieval by a first stage: recalls from files of pictures and captions; other models are refused in a sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.commands import failure, vistune
from tests.data.releases.writing import Writer
from tests.evaluate.benchmarks.whole import write_release
from tests.evaluate.runner.rig import lines
from tests.model.stage1_rig import CAPTIONS, build
from tests.tiny import blip_image_processor, picture
from tests.tiny_tokenizers import bert_tokenizer
from tests.train.parallel.test_two_processes import ROOT, torchrun

from vistune.checkpoint.stage1 import save_stage1
from vistune.data.pairs import PairProcessor
from vistune.data.targets import blip_caption
from vistune.evaluate.benchmarks import BENCHMARKS
from vistune.evaluate.runner.request import Request
from vistune.evaluate.runner.suite import run_evaluation
from vistune.infer.retrieval import retrieval_scores
from vistune.model.stage1 import Stage1Model

RETRIEVAL = BENCHMARKS["flickr30k_retrieval"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
PICTURES = 60


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage1Model, PairProcessor, Path]:
    """A first stage, and its folder."""
    model, processor = build().eval(), PairProcessor(bert_tokenizer(), blip_image_processor(), max_tokens=12)
    folder = tmp_path_factory.mktemp("stage1") / "first"
    save_stage1(model, processor, folder)
    return model, processor, folder


def test_recalls_and_rows(first: tuple[Stage1Model, PairProcessor, Path], tmp_path: Path) -> None:
    model, processor, folder = first
    root = write_release(RETRIEVAL, tmp_path / "data")
    request = Request(str(folder), (RETRIEVAL,), tmp_path / "out", data_root=root, batch_size=2)
    content = run_evaluation(request, print, device="cpu")
    assert content is not None
    [entry] = content["benchmarks"]
    examples = RETRIEVAL.examples(root)
    texts = RETRIEVAL.texts(examples)
    read = [blip_caption(text) for text in texts]
    found = retrieval_scores(model, processor, [example.images[0] for example in examples], read)
    wanted = RETRIEVAL.score_retrieval(examples, found.image_to_text.numpy(), found.text_to_image.numpy())
    assert entry["value"] == pytest.approx(wanted.value) and entry["n"] == len(examples)
    rows = lines(tmp_path / "out" / entry["rows"])
    assert [row["answer"] for row in rows] == [texts[int(row.argmax())] for row in found.image_to_text]


def test_a_damaged_picture_is_named_with_its_row(
    first: tuple[Stage1Model, PairProcessor, Path], tmp_path: Path
) -> None:
    root = write_release(RETRIEVAL, tmp_path / "data")
    [example] = RETRIEVAL.examples(root)
    Path(str(example.images[0])).write_bytes(b"no picture")
    arguments = ("eval", first[2], "--benchmark", RETRIEVAL.name, "--data-root", root, "--device", "cpu")
    said = failure(*arguments, "--out", tmp_path / "out", code=1)
    assert said.startswith(f"Row {example.id!r}: ") and "is no picture that Pillow can read" in said


def many(root: Path) -> Path:
    """A release with enough pairs to be stopped in the middle of them."""
    images: list[dict[str, Any]] = []
    for number in range(PICTURES):
        said = [
            f"{CAPTIONS[number % 8]} {CAPTIONS[number % 7]}",
            f"{CAPTIONS[number % 5]}, {'very ' * (number // 5)}so.",
        ]
        sentences = [{"tokens": [], "raw": text, "imgid": number, "sentid": 0} for text in said]
        images.append({"sentences": sentences, "split": "test", "filename": f"{number}.jpg"})
        path = root / "flickr30k" / "flickr30k-images" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    Writer(root).json("flickr30k/dataset_flickr30k.json", {"images": images, "dataset": "flickr30k"})
    return root


def _matched(out: Path) -> int:
    return sum(path.read_bytes().count(b'"of"') for path in out.glob("*/answers*.jsonl"))


@pytest.mark.slow
def test_a_killed_run_goes_on_with_two_processes(
    first: tuple[Stage1Model, PairProcessor, Path], tmp_path: Path
) -> None:
    """And comes to what one process does without a stop; two processes from the start too."""
    root = many(tmp_path / "data")
    arguments = ["eval", first[2], "--benchmark", RETRIEVAL.name, "--data-root", root, "--device", "cpu"]
    arguments.append("--batch-size")
    whole = vistune(*arguments, 16, "--out", tmp_path / "whole", "--json")
    assert whole.code == 0, whole.err
    command = [sys.executable, "-m", "vistune", *map(str, arguments), "1", "--out", str(tmp_path / "cut")]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while _matched(tmp_path / "cut") < 4 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 4 <= _matched(tmp_path / "cut") < PICTURES
    for out, reused in (("cut", True), ("both", False)):
        ran = torchrun("-m", "vistune", *map(str, arguments), "16", "--out", tmp_path / out)
        assert ran.returncode == 0, ran.stderr[-4000:]
        content = json.loads((tmp_path / out / "results.json").read_text())
        [entry] = content["benchmarks"]
        [wanted] = json.loads(whole.out)["benchmarks"]
        assert (entry["value"], entry["details"], entry["n"]) == (wanted["value"], wanted["details"], PICTURES)
        assert content["machine"]["processes"] == 2 and (entry["reused"] > 0) == reused
        assert sorted(path.name for path in (tmp_path / out / RETRIEVAL.name).glob("answers*")) == ["answers.jsonl"]
        theirs = lines(tmp_path / "whole" / wanted["rows"])
        for one, other in zip(lines(tmp_path / out / entry["rows"]), theirs, strict=True):
            torch.testing.assert_close(one["scores"], other["scores"], rtol=1e-4, atol=1e-5)
            assert one["answer"] == other["answer"] and one["score"] == other["score"]


def test_two_first_stages_are_compared(first: tuple[Stage1Model, PairProcessor, Path], tmp_path: Path) -> None:
    """By the mean of the six recalls, though pictures have different numbers of captions."""
    root = many(tmp_path / "data")
    known = json.loads((root / "flickr30k" / "dataset_flickr30k.json").read_text())
    known["images"][0]["sentences"] *= 3
    Writer(root).json("flickr30k/dataset_flickr30k.json", known)
    save_stage1(build(seed=3).eval(), first[1], tmp_path / "other")
    values = []
    for model, out in ((first[2], "a"), (tmp_path / "other", "b")):
        arguments = ("--benchmark", RETRIEVAL.name, "--data-root", root, "--device", "cpu", "--limit", 12)
        ran = vistune("eval", model, *arguments, "--batch-size", 64, "--out", tmp_path / out, "--json")
        values.append(json.loads(ran.out)["benchmarks"][0]["value"])
    [found] = json.loads(vistune("compare", tmp_path / "a", tmp_path / "b", "--json").out)["benchmarks"]
    assert [found["a"], found["b"]] == pytest.approx(values) and values[0] != values[1]
    assert found["difference"] == pytest.approx(values[1] - values[0])
    assert found["low"] <= found["difference"] <= found["high"] and found["n"] == 12


def test_kinds_of_models_are_not_mixed(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    root = write_release(RETRIEVAL, tmp_path / "data")
    arguments = ("--data-root", root, "--out", tmp_path / "out")
    model = tiny_checkpoints["llava-mlp"]
    assert "expected a first stage of BLIP-2" in failure(
        "eval", model, "--benchmark", RETRIEVAL.name, *arguments, code=1
    )
    mixed = ("--benchmark", RETRIEVAL.name, "--benchmark", "world_size")
    assert "run them apart" in failure("eval", model, *mixed, *arguments, code=2)
