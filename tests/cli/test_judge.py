"""`vistune judge` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.judge_server import JudgeServer
from typer.testing import CliRunner

from vistune.cli.app import app


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["judge", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "questions.jsonl").write_text('{"question_id": "q", "text": "Why?", "category": "conv"}\n')
    (tmp_path / "answers_gpt4.jsonl").write_text('{"question_id": "q", "text": "reference"}\n')
    (tmp_path / "ours.jsonl").write_text('{"question_id": "q", "text": "ours"}\n')
    return tmp_path


def test_run_and_summarize(bench: Path) -> None:
    out = str(bench / "reviews.jsonl")
    with JudgeServer(lambda _: "8 6\nwhy") as server:
        code, said = run(
            "run", str(bench), str(bench / "ours.jsonl"), "--out", out, "--model", "judge", "--base-url", server.url,
            "--cache", str(bench / "cache"), "--price-in", "10", "--price-out", "30", "--json",
        )  # fmt: skip
    assert code == 0, said
    summary = json.loads(said.splitlines()[-1])
    assert (summary["relative_score"], summary["n"], summary["unparsed"]) == (75.0, 1, [])
    assert summary["usage"]["input_tokens"] == 100
    assert summary["usage"]["cost"] == pytest.approx((100 * 10 + 10 * 30) / 1e6)
    code, said = run("summarize", out, "--json")
    assert (code, json.loads(said)["categories"]["conv"]["mean_1"]) == (0, 8.0)
    code, said = run("summarize", out)
    assert code == 0
    assert "relative score 75.0" in said


def test_wrong_use_is_told_in_a_sentence(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ours, out = str(bench / "ours.jsonl"), str(bench / "out.jsonl")
    code, said = run("run", str(bench), ours, "--out", out)
    assert (code, "Name either --model" in said) == (2, True)
    code, said = run("run", str(bench), ours, "--out", out, "--model", "gpt-4")
    assert (code, "OPENAI_API_KEY is not set" in said) == (2, True)
    (bench / "questions.jsonl").unlink()
    code, said = run("run", str(bench), ours, "--out", out, "--model", "m", "--base-url", "http://127.0.0.1:9/v1")
    assert (code, "There are no questions: looked for" in said) == (1, True)


def test_ensemble_from_files(tmp_path: Path) -> None:
    for name, rows in {
        "ours": [{"id": 1, "answer": "A"}, {"id": 2, "answer": "A"}],
        "second": [{"id": 1, "answer": "B"}, {"id": 2, "answer": "no idea"}],
        "references": [{"id": 1, "n_choices": 2}, {"id": 2, "n_choices": 2}],
    }.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = [str(tmp_path / f"{name}.jsonl") for name in ("ours", "second", "references")]
    code, said = run("ensemble", *files, "--out", str(tmp_path / "both.jsonl"), "--json")
    assert (code, json.loads(said)) == (0, {"first": 1, "second": 1, "judge": 0, "n": 2})
    rows = [json.loads(line) for line in (tmp_path / "both.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["B", "A"]
