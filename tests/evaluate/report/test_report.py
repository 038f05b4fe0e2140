"""The page from results alone: nothing from outside, nothing unescaped, nothing that was not measured."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vistune.data.example import Example
from vistune.errors import DataError
from vistune.evaluate.benchmarks import Given, benchmark, published
from vistune.evaluate.report import analyse, write_report

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Tags must close in order; collects tags, text and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def entry(name: str, value: float | None, **more: Any) -> dict[str, Any]:
    about = benchmark(name)
    return {
        "name": name,
        "title": about.title,
        "metric": about.metric,
        "unit": about.unit,
        "value": value,
        "interval": None if value is None else [value * 0.9, value * 1.1],
        "n": 100,
        "public_answers": about.public_answers,
        "split": about.split,
        "published": [asdict(figure) for figure in published(name)],
        **more,
    }


def report(folder: Path, entries: list[dict[str, Any]], **more: Any) -> tuple[Page, str]:
    """The page and results.md."""
    results = {"model": "runs/mine", "benchmarks": entries, **more}
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    text = write_report(folder).read_text(encoding="utf-8")
    assert not re.search(r"<link|@import|url\(|https?://", text)
    return Page(text), (folder / "results.md").read_text(encoding="utf-8")


def test_a_name_is_enough(tmp_path: Path) -> None:
    page, markdown = report(tmp_path, [{"name": "anything"}])
    assert "not measured" in page.words
    assert "| anything |" in markdown


def test_figures_stand_beside_published_ones_on_the_papers_scale(tmp_path: Path) -> None:
    page, markdown = report(tmp_path, [entry("nocaps", 1.0512), entry("gqa", 44.25)])
    assert "105.1[94.6, 115.6]" in page.words
    assert "121.9" in page.words
    assert "InstructBLIP table 1" in page.words
    first, *others = re.findall(r"^\| (.+) \|$", markdown.split("InstructBLIP table 1")[1].split("##")[0], re.M)[2:]
    assert first.split(" | ") == ["mine (measured)", "105.1 [94.6, 115.6]", "44.2 [39.8, 48.7]"]
    assert "InstructBLIP (Vicuna-13B) (published) | 121.9 | 49.5" in others


def test_split_without_public_answers_has_no_figure(tmp_path: Path) -> None:
    """Even if a file claims one."""
    written = entry("vizwiz", None, submission="submissions/vizwiz.json")
    page, markdown = report(tmp_path, [written, entry("gqa", 40.0)])
    assert "no public answers" in page.words
    assert "submissions/vizwiz.json" in page.words
    own = next(line for line in markdown.splitlines() if line.startswith("| mine (measured)"))
    # In the order of the paper's table.
    assert own.strip("| ").split(" | ")[1:] == ["40.0 [36.0, 44.0]", "–"]


def test_parts_of_pope_stand_beside_published_parts(tmp_path: Path) -> None:
    details = {"categories": {"random": {"f1": 0.811}, "popular": {"f1": 0.722}, "adversarial": {"f1": 0.633}}}
    _, markdown = report(tmp_path, [entry("pope", 72.0, details=details)])
    assert "| mine (measured) | 81.1 | 72.2 | 63.3 |" in markdown


def test_parts_have_intervals_where_break_downs_have_them(tmp_path: Path) -> None:
    values = [
        {"value": "random", "figure": 81.1, "n": 40, "interval": [75.0, 87.0], "gap": 1.0, "gap_interval": None},
        {"value": "popular", "figure": 72.2, "n": 9, "interval": None, "gap": -1.0, "gap_interval": None},
    ]
    by = [{"column": "part of the data", "values": values, "largest_gap": None}]
    page, markdown = report(tmp_path, [entry("pope", 72.0, analysis={"by": by})])
    assert "| mine (measured) | 81.1 [75.0, 87.0] | 72.2 | – |" in markdown
    assert "81.1[75.0, 87.0]" in page.words


def test_every_column_of_llavas_table_of_scienceqa(tmp_path: Path) -> None:
    """IMG is a part of all questions, and what InstructBLIP is measured on."""
    parts = {name: {"value": 50.0 + place, "n": 9} for place, name in enumerate(("NAT", "IMG", "G7-12"))}
    _, markdown = report(tmp_path, [entry("scienceqa", 60.0, details={"parts": parts}), entry("scienceqa_img", 51.0)])
    table = markdown.split("## LLaVA table 7")[1].split("##")[0]
    head = next(line for line in table.splitlines() if line.startswith("| "))
    names = ["NAT", "SOC", "LAN", "TXT", "IMG", "", "NO", "G1-6", "G7-12"]
    told = [f"ScienceQA, {name}" if name else "ScienceQA IMG" for name in names]
    assert head.strip("| ").split(" | ") == [*told, "ScienceQA"]
    own = next(line for line in table.splitlines() if line.startswith("| mine"))
    assert own.strip("| ").split(" | ")[1:] == [
        "50.0", "–", "–", "–", "51.0", "51.0 [45.9, 56.1]", "–", "–", "52.0", "60.0 [54.0, 66.0]",
    ]  # fmt: skip
    theirs = next(line for line in table.splitlines() if line.startswith("| LLaVA (published)"))
    assert theirs.count("88.0") == 3  # LAN, and IMG twice


def test_yes_and_no_are_told_once(tmp_path: Path) -> None:
    kinds = {"n": 4, "neither": 0, "kinds": [{"kind": kind, "said": 0.5, "right": 0.5} for kind in ("yes", "no")]}
    frequent = [{"answer": text, "said": 0.5, "right": 0.5} for text in ("yes", "no", "maybe")]
    page, _ = report(tmp_path, [entry("pope", 50.0, analysis={"kinds": kinds, "frequent": frequent[:2]})])
    assert "Share of yes and no" in page.words and "Answers given most" not in page.words
    page, _ = report(tmp_path, [entry("pope", 50.0, analysis={"kinds": kinds, "frequent": frequent})])
    assert "Answers given most" in page.words


def test_models_trained_on_a_set_are_pointed_at(tmp_path: Path) -> None:
    page, _ = report(tmp_path, [entry("scienceqa_img", 50.0)])
    assert "also those of models trained on a set" in page.words and "fine-tuned on the set" in page.words
    page, _ = report(tmp_path, [entry("gqa", 50.0)])
    assert "also those of models trained on a set" not in page.words


def test_a_run_gives_its_model_the_name(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"model": "runs/small/model", "benchmarks": [{"name": "x"}]}))
    assert "<h1>small</h1>" in write_report(tmp_path).read_text(encoding="utf-8")


def test_held_in_average_needs_all_four(tmp_path: Path) -> None:
    four = [entry("coco_caption", 1.2), entry("okvqa", 60.0), entry("aokvqa_da", 50.0), entry("textcaps", 1.0)]
    _, markdown = report(tmp_path, four)
    # (120 + 60 + 50 + 100) / 4; ends: root of the sum of squares of a tenth of each, divided by 4.
    half = (12**2 + 6**2 + 5**2 + 10**2) ** 0.5 / 4
    assert f"82.5 | [{82.5 - half:.1f}, {82.5 + half:.1f}]" in markdown
    assert "94.1" in markdown
    _, markdown = report(tmp_path, four[:3])
    assert "Held-in average" not in markdown


def test_limits_are_told(tmp_path: Path) -> None:
    page, markdown = report(tmp_path, [entry("gqa", 40.0)], limit=50, shuffle=False)
    assert "only a part of the questions was asked (the first 50)" in page.words
    assert "only a part of the questions was asked (the first 50)" in markdown


def test_everything_from_data_is_escaped(tmp_path: Path) -> None:
    """Questions, answers, ids, parts, columns, settings, names of files: all from a run whose data is hostile."""
    picture = tmp_path / "red.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    gqa = benchmark("gqa")
    examples = [
        Example(
            f"{row}{EVIL}",
            "gqa",
            instruction=f"{EVIL} what?",
            question=f"{EVIL} what?",
            images=(picture if row % 2 else tmp_path / f"{row}<b>gone.png",),
            references=(EVIL, "red"),
            parts=(f"part <i>{row % 2}", EVIL) if row % 3 else (),
        )
        for row in range(24)
    ]
    answers = [Given("red" if row % 4 == 0 else f"{EVIL} wrong") for row in range(24)]
    score = gqa.score(examples, answers)
    rows = tmp_path / EVIL.replace("/", "") / "rows.jsonl"
    analysis = analyse(
        gqa,
        examples,
        examples,
        answers,
        score,
        mistakes=rows.with_suffix(".mistakes.json"),
        columns={EVIL: [EVIL if row % 2 else "b" for row in range(24)]},
    )
    assert analysis["by"]
    hostile = entry(
        "gqa",
        score.value,
        protocol=EVIL,
        details={EVIL: 1.0, "group": {EVIL: {EVIL: EVIL}}, **score.details},
        settings={EVIL: EVIL, "more": [EVIL]},
        rows=str(rows.relative_to(tmp_path)),
        choices=EVIL,
        analysis=analysis,
        seconds=2.0,
    )
    hostile["title"] = EVIL
    hostile["published"][0]["model"] = EVIL
    page, markdown = report(
        tmp_path, [hostile], suite=EVIL, versions={EVIL: EVIL}, machine={EVIL: EVIL}, date=EVIL, data_root=EVIL
    )
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.tags.count("img") == len([one for one in page.addresses if one.startswith("data:image/")])
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert page.words.count('<script>alert("x")</script>') > 10
    assert "Worst answers" in page.words
    assert not re.search(r"(?<!\\)<", markdown)


def test_forged_picture_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "rows.mistakes.json").write_text(
        json.dumps([{"id": "1", "prompt": "p", "pictures": ["javascript:alert(1)", 'data:image/png;base64,AA"x']}])
    )
    page, _ = report(tmp_path, [entry("gqa", 40.0, rows="rows.jsonl")])
    assert "Worst answers" in page.words
    assert page.addresses == ["#gqa"]


def test_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"results\.json"):
        write_report(tmp_path)


def test_damaged_mistakes(tmp_path: Path) -> None:
    (tmp_path / "rows.mistakes.json").write_text("[{")
    with pytest.raises(DataError, match=r"mistakes\.json"):
        report(tmp_path, [entry("gqa", 40.0, rows="rows.jsonl")])
