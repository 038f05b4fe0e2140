"""`vistune data preview` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune
from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.checkpoint.adapters import save_adapter
from vistune.model.lora import LoraSettings, add_lora


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    picture(1).save(tmp_path / "1.png")
    path = tmp_path / "mine.jsonl"
    made = [{"image": "1.png", "question": f"Is it red, {number}?", "answer": "yes"} for number in range(9)]
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in [*made, {"image": "2.png", "question": "x", "answer": "y"}])
    )
    return path


def test_own_rows(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = vistune("data", "preview", rows, "--rows", 2)
    assert outcome.code == 0, outcome
    assert "2 rows written to preview-mine.html" in outcome.out
    assert "1 of 10 rows left out (1 missing image)" in outcome.err
    page = (tmp_path / "preview-mine.html").read_text()
    assert page.count("Is it red, 0? A short answer to the question is") == 1
    assert "mine.jsonl, line 10" in page


@pytest.mark.parametrize("family", ["llava-mlp", "instructblip-t5"])
def test_with_a_models_tokens(rows: Path, tmp_path: Path, tiny_checkpoints: dict[str, Path], family: str) -> None:
    out = tmp_path / "new" / "page.html"
    outcome = vistune("data", "preview", rows, "--model", tiny_checkpoints[family], "--out", out)
    assert outcome.code == 0, outcome
    assert ('class="arrow"' in out.read_text()) is (family == "instructblip-t5")


def test_with_the_tokens_of_adapters(rows: Path, tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    base, pages = tiny_checkpoints["llava-mlp"], []
    model, _ = load_model(base)
    add_lora(model, {"language": LoraSettings(r=2)})
    save_adapter(model, tmp_path / "adapter", base)
    for number, name in enumerate((base, tmp_path / "adapter")):
        assert vistune("data", "preview", rows, "--model", name, "--out", tmp_path / f"{number}.html").code == 0
        pages.append((tmp_path / f"{number}.html").read_text().replace(str(name), "it"))
    assert pages[0] == pages[1]


def test_style_and_templates(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    vistune("data", "preview", rows, "--style", "identifier", "--out", out)
    assert "[Visual question answering:mine] Is it red, 0?" in out.read_text()
    vistune("data", "preview", rows, "--templates", "llava_short", "--format", "v1", "--out", out)
    assert "Answer the question using a single word or phrase." in out.read_text()
    mine = tmp_path / "templates.yaml"
    mine.write_text("- 'Look: {question}'\n")
    vistune("data", "preview", rows, "--templates", mine, "--out", out)
    assert "Look: Is it red, 0?" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--format", "v3"), 2, "There is no conversation format 'v3'"),
        (("--style", "none"), 2, "expected one of instruction, plain, identifier"),
        (("--templates", "vqua"), 2, "did you mean 'vqa'"),
        (("--templates", "caption", "--model", "/nowhere"), 1, "There is no folder '/nowhere'"),
        (("--format", "chat_template"), 2, "no chat template"),
        (("--split", "test"), 1, "no split 'test'"),
    ],
)
def test_what_cannot_work(rows: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    out = tmp_path / "page.html"
    assert words in failure("data", "preview", rows, "--out", out, *arguments, code=code)
    assert not out.exists()


def test_wrong_names(tmp_path: Path) -> None:
    assert "Where is okvqa?" in failure("data", "preview", "okvqa", code=2)
    assert "did you mean 'okvqa'" in failure("data", "preview", "okvqs", code=2)
    assert "no file or folder" in failure("data", "preview", tmp_path / "none.jsonl", code=1)
