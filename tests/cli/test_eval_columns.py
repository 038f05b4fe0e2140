"""`vistune eval --columns`: a figure told apart by what a person knows of the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune

from vistune.evaluate.benchmarks import benchmark


@pytest.fixture(scope="module")
def model(tiny_checkpoints: dict[str, Path]) -> Path:
    return tiny_checkpoints["llava-mlp"]


def columns(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_figure_for_every_value(model: Path, tmp_path: Path) -> None:
    ids = [example.id for example in benchmark("world_size").examples(None, limit=24)]
    light = [{"id": name, "light": ("day", "night")[place % 2], "city": "Bern"} for place, name in enumerate(ids[:-2])]
    file = columns(tmp_path / "light.jsonl", *light, {"id": ids[-2], "light": None})
    out = tmp_path / "out"
    outcome = vistune("eval", model, "--benchmark", "world_size", "--limit", 24, "--columns", file, "--out", out)
    assert outcome.code == 0, outcome.err
    # A column of one value tells nothing apart.
    unused = "'city' has only the value 'Bern' in these rows, so no figures are told apart by it."
    assert outcome.err == f"warning: {file}: {unused}\n"
    [entry] = json.loads((out / "results.json").read_text())["benchmarks"]
    by = {found["column"]: found for found in entry["analysis"]["by"]}
    values = {value["value"]: value for value in by["light"]["values"]}
    # Rows without a value are of none.
    assert {name: value["n"] for name, value in values.items()} == {"day": 11, "night": 11}
    scores = [json.loads(line)["score"] for line in (out / "world_size" / "rows.jsonl").read_text().splitlines()]
    day, rest = scores[:22:2], [*scores[1:22:2], *scores[22:]]
    assert values["day"]["figure"] == pytest.approx(sum(day) / 11)
    assert values["day"]["gap"] == pytest.approx(sum(day) / 11 - sum(rest) / 13)
    low, high = values["day"]["gap_interval"]
    assert low <= values["day"]["gap"] <= high
    assert "<h3>By light</h3>" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "of another", "light": "day"}, "has no id of these rows"),
        ({"id": "test-size-1"}, "has nothing but ids"),
        ({"light": "day"}, "id is None"),
    ],
)
def test_files_that_do_not_fit_are_told_before_anything_is_asked(
    model: Path, tmp_path: Path, row: dict[str, object], message: str
) -> None:
    file, out = columns(tmp_path / "light.jsonl", row), tmp_path / "out"
    arguments = ("--benchmark", "world_size", "--limit", 4, "--columns", file, "--out", out)
    assert message in failure("eval", model, *arguments, code=1)
    assert not list(out.rglob("answers*"))
