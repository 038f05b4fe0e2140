"""`vistune judge` as a person types it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
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
    assert (code, json.loads(said)) == (0, {"first": 1, "second": 1, "judge": 0, "n": 2, "unparsed": []})
    rows = [json.loads(line) for line in (tmp_path / "both.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["B", "A"]


def test_ensemble_by_a_judge(tmp_path: Path) -> None:
    for name, rows in {
        "ours": [{"id": n, "answer": "A"} for n in range(3)],
        "second": [{"id": n, "answer": "B" if n else "A"} for n in range(3)],
        "references": [{"id": n, "n_choices": 2, "question": f"Which {n}?"} for n in range(3)],
    }.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = [str(tmp_path / f"{name}.jsonl") for name in ("ours", "second", "references")]
    out = str(tmp_path / "both.jsonl")
    with JudgeServer(lambda told: "The answer is B." if "Which 1?" in told else "Hm.", [429, "cut"]) as server:
        options = ("--model", "j", "--base-url", server.url, "--cache", str(tmp_path / "cache"))
        code, said = run("ensemble", *files, "--out", out, *options)
    # Where both agree nobody is asked.
    assert len(server.requests) == 2 + 2
    assert (code, said.splitlines()[-3:-1]) == (
        0,
        ["first 2, second 0, judge 1, n 3", "the judge named no option, so that ours stands: questions 2"],
    )
    assert "2 requests, 0 from the cache" in said
    # What the judge said can be used again.
    code, said = run("ensemble", *files, "--out", out, "--requery", str(tmp_path / "both.judge.jsonl"), "--json")
    assert json.loads(said)["judge"] == 1


def test_the_second_model_may_be_an_endpoint(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text(
        "".join(
            json.dumps({"id": n, "n_choices": 2, "question": f"Which {n}?\nOptions: (A) x (B) y"}) + "\n" for n in "ab"
        )
    )
    (tmp_path / "shots.jsonl").write_text('{"id": "s", "question": "Which?", "answer": "The answer is B."}\n')
    out, shots = tmp_path / "second.jsonl", ("--shots", str(tmp_path / "shots.jsonl"))
    with JudgeServer(lambda told: "Sure. The answer is A." if "Which a?" in told else "Hm.", [500]) as server:
        options = ("--model", "g", "--base-url", server.url, "--cache", str(tmp_path / "cache"))
        code, said = run("answer", str(tmp_path / "questions.jsonl"), "--out", str(out), *shots, *options)
        assert (code, "2 answers; one option is named by 1" in said) == (0, True)
        told = server.requests[-1]["messages"]
        assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
        assert told[1]["content"] == "Can you explain Which??" and told[3]["content"].startswith(
            "Can you explain Which "
        )
        code, said = run("answer", str(tmp_path / "questions.jsonl"), "--out", str(tmp_path / "o.jsonl"), *options)
        assert code == 0 and "The answer is X." in server.requests[-1]["messages"][-1]["content"]
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps({"id": n, "answer": "B"}) + "\n" for n in "ab"))
    both = ("ensemble", str(tmp_path / "ours.jsonl"), str(out), str(tmp_path / "questions.jsonl"))
    code, said = run(*both, "--out", str(tmp_path / "both.jsonl"), "--json")
    assert (code, json.loads(said)["second"], json.loads(said)["first"]) == (0, 1, 1)
    (tmp_path / "questions.jsonl").write_text('{"id": 1, "n_choices": 2}\n')
    code, said = run("answer", str(tmp_path / "questions.jsonl"), "--out", str(out), *options)
    assert (code, "has no words for the model" in said) == (1, True)


def test_ctrl_c_does_not_wait_for_a_judge_that_hangs(bench: Path) -> None:
    # A shell starts what it puts in the background with SIGINT ignored, and children inherit that.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import vistune.cli.app as app"
    command = [sys.executable, "-c", f"{program}; app.main()", "judge", "run", str(bench), str(bench / "ours.jsonl")]
    with JudgeServer(lambda _: "8 6", ["hang"]) as server:
        options = ["--model", "judge", "--base-url", server.url, "--cache", str(bench / "cache")]
        process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, process_group=0)
        deadline = time.monotonic() + 30
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "run the same command again to go on from here" in said
    assert time.monotonic() - asked < 10
