"""A benchmark from its rows to its figure: resumed at the sample, reused when and only when nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.evaluate.benchmarks.whole import write_release
from tests.evaluate.runner.rig import lines, predictor

from vistune.evaluate.benchmarks import BENCHMARKS, Benchmark, Given
from vistune.evaluate.protocols import protocol
from vistune.evaluate.runner import benchmark as module
from vistune.evaluate.runner.benchmark import Machinery, evaluate_benchmark
from vistune.evaluate.runner.keys import model_key
from vistune.evaluate.runner.outcome import BenchmarkResult, is_scored
from vistune.train.parallel.processes import Processes

WORLD = BENCHMARKS["world_count"]
CAPTIONS = BENCHMARKS["world_caption"]


@pytest.fixture(scope="module")
def machinery(tiny_checkpoints: dict[str, Path]) -> Machinery:
    model = predictor(tiny_checkpoints["instructblip-llama"])
    return Machinery(model, model_key(model), Processes.alone(), 4)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the rows that the model is really asked."""
    seen: list[str] = []
    original = module.answer_windows

    def noting(*arguments: Any) -> Iterator[list[dict[str, Any]]]:
        for batch in original(*arguments):
            seen.extend(row["id"] for row in batch)
            yield batch

    monkeypatch.setattr(module, "answer_windows", noting)
    return seen


def run(
    machinery: Machinery, folder: Path, benchmark: Benchmark = WORLD, limit: int = 10, name: str = "instructblip"
) -> BenchmarkResult:
    chosen = protocol(name)
    examples = benchmark.examples(None, limit=limit)
    result = evaluate_benchmark(machinery, benchmark, chosen, examples, folder)
    assert result is not None
    return result


def test_rows_and_figure(machinery: Machinery, tmp_path: Path) -> None:
    result = run(machinery, tmp_path)
    rows = lines(result.rows)
    assert [row["id"] for row in rows] == [f"test-count-{number}" for number in range(10)]
    assert result.score is not None and result.score.value == pytest.approx(sum(r["score"] for r in rows) / 10)
    for row in rows:
        best = max(range(6), key=row["scores"].__getitem__)
        assert row["answer"] == row["candidates"][best]
        assert row["score"] == 100 * (row["answer"] == row["references"][0])
    entry = result.entry(tmp_path)
    assert entry["n"] == 10 and entry["interval"][0] <= entry["value"] <= entry["interval"][1]
    json.dumps(entry, allow_nan=False)


@pytest.mark.parametrize("benchmark", [WORLD, CAPTIONS], ids=["rank", "generate"])
def test_a_second_run_asks_nothing(
    machinery: Machinery, tmp_path: Path, asked: list[str], benchmark: Benchmark
) -> None:
    first = run(machinery, tmp_path, benchmark)
    assert len(asked) == 10
    before = lines(first.rows)
    second = run(machinery, tmp_path, benchmark)
    assert len(asked) == 10 and second.asked.reused == 10
    assert lines(second.rows) == before
    more = run(machinery, tmp_path, benchmark, limit=14)
    assert len(asked) == 14 and more.asked.reused == 10


def test_it_goes_on_at_the_sample(
    machinery: Machinery, tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(machinery, tmp_path / "whole", CAPTIONS, 12)
    asked.clear()
    original = module.answer_windows

    def stopping(*arguments: Any) -> Iterator[list[dict[str, Any]]]:
        for number, batch in enumerate(original(*arguments)):
            if number == 2:
                raise KeyboardInterrupt
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(module, "answer_windows", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(machinery, tmp_path / "cut", CAPTIONS, 12)
    # As a kill leaves it: the last line is cut off.
    [part] = (tmp_path / "cut").glob("answers.*.jsonl")
    part.write_bytes(part.read_bytes()[:-7])
    asked.clear()
    again = run(machinery, tmp_path / "cut", CAPTIONS, 12)
    assert len(asked) == 12 - 7 and again.asked.reused == 7
    assert lines(again.rows) == lines(whole.rows)


def test_nothing_is_reused_wrongly(machinery: Machinery, tmp_path: Path, asked: list[str]) -> None:
    gqa = BENCHMARKS["gqa"]
    examples = gqa.examples(write_release(gqa, tmp_path / "data"))
    own = tmp_path / "own.yaml"
    own.write_text("extends: instructblip\ndecoding: {all: {max_new_tokens: 3}}\n")

    def newly_asked(name: str = "instructblip", using: Machinery = machinery) -> int:
        asked.clear()
        evaluate_benchmark(using, gqa, protocol(name), examples, tmp_path / "out")
        return len(asked)

    assert newly_asked() == len(examples)
    assert newly_asked(str(own)) == len(examples)
    assert newly_asked("llava-1.5") == len(examples)
    assert newly_asked(using=replace(machinery, key="another model")) == len(examples)
    Image.new("RGB", (9, 9), "red").save(str(examples[0].images[0]))
    same = sum(example.images[0] == examples[0].images[0] for example in examples)
    assert newly_asked() == same
    assert newly_asked(using=replace(machinery, batch_size=1)) == newly_asked(str(own)) - same == 0


def test_edited_answers_are_asked_again(
    machinery: Machinery, tmp_path: Path, asked: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="vistune")
    first = run(machinery, tmp_path)
    path, before = tmp_path / "answers.jsonl", lines(first.rows)
    rows = lines(path)
    rows[1]["candidates"] = ["x"] * len(rows[1]["candidates"])
    rows[3]["scores"][0] = None
    rows[5] = {"key": rows[5]["key"], "text": "seven"}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked.clear()
    assert run(machinery, tmp_path).asked.reused == 7 and len(asked) == 3
    assert caplog.messages == [
        f"{path} has 1 damaged line (4); what stood there is asked for again.",
        f"{tmp_path} holds 2 answers that fit no row; asked for again.",
    ]
    assert [row["answer"] for row in lines(first.rows)] == [row["answer"] for row in before]
    assert run(machinery, tmp_path).asked.reused == 10


@pytest.mark.parametrize("benchmark", [WORLD, CAPTIONS], ids=["rank", "generate"])
def test_the_figure_is_the_same_for_any_batch_size(machinery: Machinery, tmp_path: Path, benchmark: Benchmark) -> None:
    values = []
    for size in (1, 3, 32):
        result = run(replace(machinery, batch_size=size), tmp_path / str(size), benchmark, 15)
        values.append([(row["answer"], row["score"]) for row in lines(result.rows)])
    assert values[0] == values[1] == values[2]


FAMILIES = ("instructblip-t5", "llava-mlp")
# Run above; and the tiny releases' videos are none that can be opened.
LEFT_OUT = ("world", "msvd_qa", "msrvtt_qa", "ivqa")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "benchmark",
    [b for b in BENCHMARKS.values() if b.source not in LEFT_OUT and b.answer != "score"],
    ids=lambda b: b.name,
)
def test_every_benchmark_runs(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, family: str, benchmark: Benchmark
) -> None:
    """From a tiny release's files to a figure, which is that of the rows' answers."""
    model = predictor(tiny_checkpoints[family])
    chosen = protocol("instructblip" if family.startswith("instructblip") else "llava-1.5")
    root = write_release(benchmark, tmp_path / "data")
    examples = benchmark.examples(root)
    result = evaluate_benchmark(
        Machinery(model, "m", Processes.alone(), 8), benchmark, chosen, examples, tmp_path / "o"
    )
    assert result is not None
    rows = lines(result.rows)
    assert [row["id"] for row in rows] == [example.id for example in examples]
    assert all(row["prompt"] and isinstance(row["answer"], str) for row in rows)
    entry = result.entry(tmp_path)
    if not is_scored(benchmark):
        assert result.score is None and entry["value"] is None and entry["note"]
        return
    given = [Given(row["answer"], row.get("scores")) if "of" not in row else Given(row["answer"]) for row in rows]
    assert entry["value"] == pytest.approx(benchmark.score(examples, given).value, nan_ok=True)
