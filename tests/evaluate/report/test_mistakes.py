from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from vistune.data.example import Example
from vistune.evaluate.benchmarks import Given, benchmark
from vistune.evaluate.metrics import Score
from vistune.evaluate.report import analyse
from vistune.evaluate.report.analysis.mistakes import keep_mistakes


def rows(count: int, **fields: Any) -> list[Example]:
    return [
        Example(str(row), "q", instruction="what?", target="a", candidates=("a", "b"), **fields) for row in range(count)
    ]


def kept(tmp_path: Path, name: str, examples: list[Example], answers: list[Given], figures: list[float]) -> Any:
    path = tmp_path / "rows.mistakes.json"
    texts = [given.answer or "b" for given in answers]
    counts = keep_mistakes(path, benchmark(name), examples, examples, answers, texts, Score(0.0, figures))
    return counts, json.loads(path.read_text())


def test_surest_mistakes_come_first_and_right_answers_not_at_all(tmp_path: Path) -> None:
    answers = [Given(scores=[0.0, margin]) for margin in (0.1, 3.0, 0.0, 1.0)]
    counts, cards = kept(tmp_path, "world_count", rows(4), answers, [0.0, 0.0, 100.0, 0.0])
    assert [card["id"] for card in cards] == ["1", "3", "0"]
    assert counts == {"wrong": 3, "shown": 3}
    assert cards[0]["right"] == ["a"]
    assert cards[0]["answer"] == "b"


def test_lower_figures_are_worse_unless_the_metric_counts_mistakes(tmp_path: Path) -> None:
    answers = [Given("b")] * 3
    _, cards = kept(tmp_path, "nocaps", rows(3), answers, [0.4, 0.1, 2.0])
    assert [card["id"] for card in cards] == ["1", "0"]
    _, cards = kept(tmp_path, "coco_objects", rows(3), answers, [50.0, 0.0, 100.0])
    assert [card["id"] for card in cards] == ["2", "0"]


def test_a_picture_comes_once_and_a_broken_one_is_told(tmp_path: Path) -> None:
    good, gone = tmp_path / "good.png", tmp_path / "gone.png"
    Image.new("RGB", (300, 200), "red").save(good)
    examples = [*rows(2, images=(good,)), *rows(1, images=(gone,))]
    _, cards = kept(tmp_path, "gqa", examples, [Given("b")] * 3, [0.0, 0.0, 0.0])
    assert len(cards) == 2
    by_picture = {bool(card["pictures"]): card for card in cards}
    assert by_picture[True]["pictures"][0].startswith("data:image/jpeg;base64,")
    assert str(gone) in by_picture[False]["problem"]


def test_a_long_prompt_keeps_what_is_asked_at_its_end(tmp_path: Path) -> None:
    asked = f"Dialog history: {'Question: what Answer: that ' * 40}\n Question: who is it? Short answer:"
    [example] = [Example("1", "visdial", instruction=asked, target="a", candidates=("a", "b"))]
    _, [card] = kept(tmp_path, "visdial", [example], [Given(scores=[0.0, 1.0])], [0.5])
    assert card["prompt"].startswith("Dialog history: Question") and len(card["prompt"]) < 410
    assert card["prompt"].endswith("Question: who is it? Short answer:")


def test_analysis_without_a_figure_tells_only_what_was_said(tmp_path: Path) -> None:
    examples = [Example(str(row), "vizwiz", question="What?", instruction="What?") for row in range(4)]
    answers = [Given("a cup"), Given("a cup"), Given("a cup"), Given("tea")]
    path = tmp_path / "rows.mistakes.json"
    found = analyse(benchmark("vizwiz"), examples, examples, answers, None, mistakes=path)
    assert set(found) == {"lengths", "frequent"}
    assert found["lengths"]["references"] is None
    assert found["frequent"][0] == {"answer": "a cup", "said": 0.75, "right": None}
    assert not path.exists()
