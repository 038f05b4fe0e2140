"""Two runs compared by the benchmark's own figure, also where that is no mean over rows."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tests.evaluate.benchmarks.whole import write_release

from vistune.data.example import Example
from vistune.errors import DataError
from vistune.evaluate.benchmarks import BENCHMARKS, Benchmark
from vistune.evaluate.runner.comparing import compare_runs
from vistune.evaluate.runner.request import Request
from vistune.evaluate.runner.suite import run_predictions


def predicted(benchmark: Benchmark, examples: list[Example], folder: Path, root: Path, right: float) -> Path:
    """A run whose answers are right so often."""
    draw = random.Random(f"{folder.name}")
    answers = folder.with_suffix(".jsonl")
    rows = []
    for example in examples:
        wrong = "no" if example.target == "yes" else "yes"
        rows.append({"id": example.id, "answer": example.target if draw.random() < right else wrong})
    answers.write_text("\n".join(json.dumps(row) for row in rows))
    request = Request("theirs", (benchmark,), folder, data_root=root)
    run_predictions(request, answers, lambda line: None)
    return folder


def test_pope_is_scored_again(tmp_path: Path) -> None:
    pope = BENCHMARKS["pope"]
    root = write_release(pope, tmp_path / "data")
    examples = pope.examples(root)
    a, b = (predicted(pope, examples, tmp_path / name, root, right) for name, right in (("a", 0.3), ("b", 1.0)))
    [found] = compare_runs(a, b)
    assert (found.name, found.metric) == ("pope", "pope")
    values = [json.loads((run / "results.json").read_text())["benchmarks"][0]["value"] for run in (a, b)]
    assert (found.a, found.b) == pytest.approx(values) and found.b == 100
    assert found.found.difference == pytest.approx(values[1] - values[0])
    assert [compare_runs(a, b, root)[0].found] == [found.found]
    with pytest.raises(DataError, match="pope"):
        compare_runs(a, b, tmp_path)


def test_runs_of_different_rows_are_refused(tmp_path: Path) -> None:
    world = BENCHMARKS["world_size"]
    examples = world.examples(None)
    runs = []
    for name, count in (("a", 20), ("b", 21)):
        answers = tmp_path / f"{name}.jsonl"
        answers.write_text("\n".join(json.dumps({"id": e.id, "answer": e.target}) for e in examples[:count]))
        request = Request("theirs", (world,), tmp_path / name, limit=count)
        run_predictions(request, answers, lambda line: None)
        runs.append(tmp_path / name)
    with pytest.raises(DataError, match="of no row in"):
        compare_runs(*runs)
    [found] = compare_runs(runs[0], runs[0])
    assert (found.found.difference, found.found.n, found.a) == (0, 20, 100)
