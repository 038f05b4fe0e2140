"""`vistune demo --data`: a folder of pictures with questions and answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vistune.demo import run_demo
from vistune.demo.setup import make_settings

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "dark green": (20, 90, 20)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Plain pictures of one colour, in other columns than the usual ones."""
    rows = []
    for number in range(24):
        name = list(COLOURS)[number % 3]
        Image.new("RGB", (40, 30), COLOURS[name]).save(tmp_path / f"{number}.png")
        rows.append({"file": f"{number}.png", "q": "Which color is it?", "a": name})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:15]))
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[15:]))
    return tmp_path


def test_own_pictures_are_tuned_on_and_reported(folder: Path, tmp_path: Path) -> None:
    columns = {"image": "file", "question": "q", "answer": "a"}
    out = tmp_path / "out"
    results = run_demo(0.01, out, data=folder, columns=columns)
    for model in ("instructblip", "llava"):
        figures = results[model]["tasks"]["own data"]  # type: ignore[index]
        assert figures["n"] == 9
        assert figures["majority"] == pytest.approx(1 / 3)
        assert 0 <= figures["rank"] <= 1
        assert results[model]["held_in"] == figures["rank"]  # type: ignore[index]
        assert results[model]["held_out"] is None  # type: ignore[index]
    assert str(folder) in (out / "report.html").read_text()


def test_candidates_are_the_training_answers(folder: Path) -> None:
    settings = make_settings(0.01, 0, folder, {"image": "file", "question": "q", "answer": "a"})
    tests = settings.tests()
    assert tests.tasks[0].examples[0].candidates == ("blue", "dark green", "red")
    assert tests.closing_token
