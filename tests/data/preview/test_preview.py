"""The preview page: every wording, what is learned, nothing from outside, and rows that cannot be used."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from tests.families import load_pair

from vistune.data.bad_rows import BadRow, OnError, Place, RowLog
from vistune.data.example import Example
from vistune.data.preview.collect import collect
from vistune.data.preview.page import build_page
from vistune.data.preview.stand_in import stand_in_processor
from vistune.data.templates import load_templates
from vistune.errors import DataError


class Page(HTMLParser):
    """Chips of tokens by class, pictures, and whatever is fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.chips: list[tuple[str, str]] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self._class = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.sources += [given[key] or "" for key in ("src", "href") if key in given]
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)
        self._class = given.get("class") or "" if tag == "i" else ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "i":
            self.chips.append((self._class, data))


def page_of(
    examples: list[Example], group: str | None = None, format: str | None = None, log: RowLog | None = None
) -> str:
    processor = stand_in_processor(format)
    templates = load_templates(group) if group else []
    shown = collect(examples, processor, templates, log or RowLog(), format=format, rows=6)
    return build_page("My <set>", {"Get it from": "https://example.org/x"}, shown, processor)


def picture(folder: Path) -> Path:
    path = folder / "a.png"
    Image.new("RGB", (900, 300), "red").save(path)
    return path


def test_every_wording_and_what_is_learned(tmp_path: Path) -> None:
    example = Example("7", "vqav2", question="is <b> red?", answers=("yes", "yes", "no"), images=(picture(tmp_path),))
    text = page_of([example], "vqa")
    page = Page(text)
    assert page.open == []
    assert text.count('class="wording') - text.count('class="wordings"') == 10
    assert text.count("drawn in epoch 0") == 1
    assert "is &lt;b&gt; red?" in text
    assert "<b> red" not in text
    assert "yes ×2, no" in text
    learned = [data for kind, data in page.chips if kind.startswith("learned")]
    assert set(learned[1:]) <= {"·yes", "·no", "</s>", "learned from"}
    assert [data for kind, data in page.chips if kind == "image"][1:] == ["<image> ×32"] * 10
    assert all(source.startswith(("data:image/jpeg;base64,", "https://example.org")) for source in page.sources)
    assert not re.search(r"<script|<link|@import|url\(", text)


def test_conversations_in_a_format_and_split_where_it_holds_one_answer(tmp_path: Path) -> None:
    talk = Example("c", "llava", turns=(("<image>\nhi?", "yes"), ("so?", "no")), images=(picture(tmp_path),))
    whole = Page(page_of([talk], format="v1"))
    assert [data for kind, data in whole.chips if kind.startswith("learned")][1:] == ["·yes", "</s>", "·no", "</s>"]
    split = page_of([talk])
    assert "c#1" in split
    assert "c#2" in split
    assert page_of([talk], "vqa", "v1").count('class="wording"') == 1, "words of their own"


def test_rows_and_pictures_that_cannot_be_used_are_shown(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    log = RowLog(OnError("skip", 1.0))
    log.add(BadRow("missing image", "there is no picture 'x.png'.", Place("train.jsonl", 3)))
    log.good()
    text = page_of([Example("1", "t", question="what?", target="it", images=(broken,))], "vqa", log=log)
    assert "is no picture that Pillow can read" in text
    assert "train.jsonl, line 3: there is no picture &#x27;x.png&#x27;." in text
    assert "1 of 2 rows left out" in text
    missing = page_of([Example("1", "t", target="it")], "vqa")
    assert missing.count("has no &#x27;question&#x27;") == 10
    with pytest.raises(DataError, match="There is no row to show: 1 of 1 row left out"):
        collect([], stand_in_processor(), [], _one_bad())


def _one_bad() -> RowLog:
    log = RowLog(OnError("skip", 1.0))
    log.add(BadRow("bad JSON", "this is no JSON.", Place("x.jsonl", 1)))
    return log


def test_rows_are_spread_over_those_read() -> None:
    examples = [Example(str(number), "t", instruction="hi", target="yes") for number in range(1000)]
    shown = collect(iter(examples), stand_in_processor(), [], RowLog(), rows=4)
    assert [row.example.id for row in shown.rows] == ["0", "25", "50", "75"]
    assert shown.read == 100
    few = collect(iter(examples[:2]), stand_in_processor(), [], RowLog(), rows=4)
    assert [row.example.id for row in few.rows] == ["0", "1"]


def test_an_encoder_decoders_answer_stands_behind_an_arrow(tiny_checkpoints: dict[str, Path]) -> None:
    processor = load_pair(tiny_checkpoints["instructblip-t5"]).predictor.processor
    shown = collect([Example("1", "t", instruction="what is it?", target="a cat")], processor, [], RowLog())
    text = build_page("t5", {}, shown, processor)
    before, _, after = text.partition('class="arrow"')
    assert 'class="learned"' in after
    assert before.count('class="learned"') == 1, "the legend only"
