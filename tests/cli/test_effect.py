"""Options that would change nothing are refused, all of them in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune

ROWS = ("--benchmark", "world_caption", "--limit", 2, "--predictions", "answers.jsonl", "--out", "out")
RETRIEVAL = ("--benchmark", "flickr30k_retrieval", "--data-root", ".")
COMPARED = ("compare", "rows.jsonl", "rows.jsonl")
JUDGED = ("judge", "run", "folder", "answers.jsonl")
BOTH = ("judge", "ensemble", "rows.jsonl", "rows.jsonl", "rows.jsonl", "--out", "both.jsonl")


@pytest.mark.parametrize(
    ("arguments", "named", "why"),
    [
        (("eval", "m", *ROWS, "--device", "cpu"), "--device has", "--predictions loads no model"),
        (
            ("eval", "m", *ROWS, "--dtype", "float32", "--batch-size", 16, "--revision", "x", "--trust-remote-code"),
            "--dtype, --batch-size, --revision and --trust-remote-code have",
            "--predictions loads no model; leave them out.",
        ),
        (("eval", "m", *ROWS, "--seed", 1), "--seed has", "it is that of --shuffle, which is not given"),
        (("eval", "m", *RETRIEVAL, "--protocol", "blip2"), "--protocol has", "flickr30k_retrieval compares"),
        (("eval", "m", *RETRIEVAL, "--trust-remote-code"), "--trust-remote-code has", "without prompts or code"),
        (("eval", ".", "--suite", "world", "--revision", "x"), "--revision has", "'.' is a folder"),
        ((*COMPARED, "--data-root", "."), "--data-root has", "it is for run folders"),
        ((*COMPARED, "--allow-empty"), "--allow-empty has", "the rows' own scores are compared"),
        (("compare", ".", ".", "--allow-empty"), "--allow-empty has", "scored as they were there"),
        (
            (*JUDGED, "--local", "m", "--base-url", "http://x", "--retries", 3, "--price-in", 1.0),
            "--base-url, --retries and --price-in have",
            "--local judges in this process",
        ),
        ((*JUDGED, "--model", "m", "--price-in", 1.0), "--price-in has", "where --price-out is given too"),
        ((*JUDGED, "--model", "m", "--price-out", 1.0), "--price-out has", "where --price-in is given too"),
        (
            (*BOTH, "--requery", "rows.jsonl", "--model", "m", "--parallel", 2),
            "--parallel and --model have",
            "--requery holds what the judge answered",
        ),
        (
            ("ask", "m", "a.jpg", "What?", "--choices", "a|b", "--stop", ".", "--seed", 1),
            "--seed and --stop have",
            "--choices ranks the given answers",
        ),
        (
            ("data", "build", "rows.jsonl", "--out", "built", "--device", "cpu", "--verify"),
            "--verify and --device have",
            "with --features, which is not given",
        ),
        (("data", "build", "rows.jsonl", "--out", "built", "--max-bad", 0.5), "--max-bad has", "without --on-error"),
        ((*BOTH, "--temperature", 0.0), "--temperature has", "no judge is named (--model or --local)"),
    ],
)
def test_it_is_told(
    arguments: tuple[object, ...], named: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "score": 1, "answer": "A", "n_choices": 2}\n')
    (tmp_path / "answers.jsonl").write_text('{"question_id": 1, "text": "A"}\n')
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "questions.jsonl").write_text('{"question_id": 1, "text": "Why?", "category": "conv"}\n')
    (tmp_path / "folder" / "answers_gpt4.jsonl").write_text('{"question_id": 1, "text": "So."}\n')
    before = sorted(tmp_path.rglob("*"))
    said = failure(*arguments, code=2)
    assert said.startswith(f"{named} no effect here: ") and why in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_variable_of_the_environment_may_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set once, for all commands."""
    monkeypatch.setenv("VISTUNE_DATA_ROOT", str(tmp_path))
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": 1, "score": 1}\n')
    assert json.loads(vistune("compare", rows, rows, "--json").out)["difference"] == 0


def test_one_of_several_processes_scores_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would all write the same files."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    arguments = ("--benchmark", "world_caption", "--predictions", tmp_path / "none.jsonl", "--out", tmp_path / "out")
    assert vistune("eval", "theirs", *arguments).code == 0
    monkeypatch.setenv("RANK", "0")
    assert "There is no file" in failure("eval", "theirs", *arguments, code=1)
    assert list(tmp_path.iterdir()) == []
