"""What stands on the terminal: the figure, and what counted without being understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from vistune.data.example import Example
from vistune.evaluate.benchmarks import Given, benchmark
from vistune.evaluate.runner.outcome import Asked, BenchmarkResult
from vistune.evaluate.runner.telling import replaced_line, summary_line

VSR = Example("1", "vsr", target="true", candidates=("true", "false"))
POPE = Example("1", "pope", target="yes", candidates=("yes", "no"), parts=("random",))
MEME = Example("1", "hateful_memes", target="yes", candidates=("yes", "no"))


def line(name: str, rows: Sequence[Example], said: Sequence[str], **more: Any) -> str:
    item = benchmark(name)
    given = [Given(text) for text in said]
    asked = cast(Asked, SimpleNamespace(examples=rows, given=given, reused=more.pop("reused", 0)))
    return summary_line(BenchmarkResult(item, "plain", item.score(rows, given), asked, Path(), 1.0, **more))


def test_what_was_not_understood_is_counted() -> None:
    told = line("vsr", [VSR] * 3, ["true", "maybe", ""])
    assert told.startswith("vsr [plain]: 33.33 (95 % interval ")
    assert "n = 3); answers not understood: 2, counted as wrong; published" in told
    assert "not understood" not in line("vsr", [VSR], ["true"])
    assert "; empty answers: 1, counted as yes" in line("pope", [POPE] * 2, ["", "yes"])
    memes = [MEME, Example("2", "hateful_memes", target="no", candidates=("yes", "no"))]
    assert "; answers not understood: 1, counted as one half" in line("hateful_memes", memes, ["what", "no"])


def test_empty_answers_are_told_where_the_metric_does_not_count_them() -> None:
    row = Example("1", "gqa", references=("red",))
    assert "; empty answers: 2; published" in line("gqa", [row] * 3, ["red", "", " "])
    assert "empty" not in line("gqa", [row], ["red"])


def test_who_names_nothing_makes_nothing_up() -> None:
    row = Example("1", "coco_objects", references=("dog",))
    assert line("coco_objects", [row], ["nothing"]).endswith(": 0 (95 % interval 0 to 0, n = 1); objects named: 0")


def test_models_that_were_not_trained_on_the_set_stand_first() -> None:
    """ScienceQA: 70.6 zero-shot, up to 90.7 fine-tuned; of its whole test split there are trained models only."""
    row = Example("1", "scienceqa", target="b", candidates=("a", "b"), choices=("a", "b"))
    assert "; published: up to 71.6 (LLaVA-1.5-13B)" in line("scienceqa_img", [row], ["b"])
    assert "; published: up to 92.53 (LLaVA + GPT-4 (judge); the report tells how)" in line("scienceqa", [row], ["b"])
    assert line("scienceqa_img", [row], ["b"], reused=1).endswith("; answers from before: 1")
    assert "published" not in line("vizwiz_val", [Example("1", "vizwiz", references=("x",) * 10)], ["x"])


def test_what_a_figure_takes_the_place_of() -> None:
    entry = {"protocol": "llava-1.5", "n": 48, "value": 41.25, "limit": None, "shuffle": False}
    assert replaced_line(None, entry) == replaced_line(entry, dict(entry)) == ""
    assert "this takes the place of 41.25 (n = 48); " in replaced_line(entry, {**entry, "n": 5, "limit": 5})
    assert "place of 41.25 [llava-1.5] (n = 48)" in replaced_line(entry, {**entry, "protocol": "plain"})
    assert "place of answers without a figure (n = 48)" in replaced_line({**entry, "value": None}, entry)
