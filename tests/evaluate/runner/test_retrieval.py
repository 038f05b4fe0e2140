"""Retrieval by a first stage: recalls from files of pictures and captions; other models are refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.commands import failure
from tests.evaluate.benchmarks.whole import write_release
from tests.evaluate.runner.rig import lines
from tests.model.stage1_rig import build
from tests.tiny import blip_image_processor
from tests.tiny_tokenizers import bert_tokenizer

from vistune.checkpoint.stage1 import save_stage1
from vistune.data.pairs import PairProcessor
from vistune.evaluate.benchmarks import BENCHMARKS
from vistune.evaluate.runner.request import Request
from vistune.evaluate.runner.suite import run_evaluation
from vistune.infer.retrieval import retrieval_scores

RETRIEVAL = BENCHMARKS["flickr30k_retrieval"]


def test_recalls_and_rows(tmp_path: Path) -> None:
    model, processor = build().eval(), PairProcessor(bert_tokenizer(), blip_image_processor(), max_tokens=12)
    save_stage1(model, processor, tmp_path / "first")
    root = write_release(RETRIEVAL, tmp_path / "data")
    request = Request(str(tmp_path / "first"), (RETRIEVAL,), tmp_path / "out", data_root=root, batch_size=2)
    content = run_evaluation(request, print, device="cpu")
    assert content is not None
    [entry] = content["benchmarks"]
    examples = RETRIEVAL.examples(root)
    texts = RETRIEVAL.texts(examples)
    found = retrieval_scores(model, processor, [example.images[0] for example in examples], texts)
    wanted = RETRIEVAL.score_retrieval(examples, found.image_to_text.numpy(), found.text_to_image.numpy())
    assert entry["value"] == pytest.approx(wanted.value) and entry["n"] == len(examples)
    rows = lines(tmp_path / "out" / entry["rows"])
    assert [row["answer"] for row in rows] == [texts[int(row.argmax())] for row in found.image_to_text]


def test_kinds_of_models_are_not_mixed(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    root = write_release(RETRIEVAL, tmp_path / "data")
    arguments = ("--data-root", root, "--out", tmp_path / "out")
    model = tiny_checkpoints["llava-mlp"]
    assert "expected a first stage of BLIP-2" in failure(
        "eval", model, "--benchmark", RETRIEVAL.name, *arguments, code=1
    )
    mixed = ("--benchmark", RETRIEVAL.name, "--benchmark", "world_size")
    assert "run them apart" in failure("eval", model, *mixed, *arguments, code=2)
