"""MM-Vet by a judge: what it is told, which replies are grades, and what they come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.judge_server import JudgeServer, quick

from vistune.errors import DataError, InputError, JudgeError
from vistune.evaluate.judge.cache import ReplyCache
from vistune.evaluate.judge.grades import Grade, read_grades, summarize_grades
from vistune.evaluate.judge.judges import Endpoint
from vistune.evaluate.judge.mm_vet import (
    SAMPLING,
    parse_grade,
    plan_grades,
    read_mm_vet,
    read_prompt,
    read_vet_answers,
    vet_messages,
)
from vistune.evaluate.judge.run import run_judge

__all__ = ["quick"]

KINDS = (["rec"], ["rec", "know", "gen"], ["ocr", "math"], ["ocr", "math", "spat"], ["gen", "know", "rec"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = {
        f"v1_{number}": {
            "imagename": "a.png",
            "question": f"What {number}?",
            "answer": "-1<AND>-5",
            "capability": kinds,
        }
        for number, kinds in enumerate(KINDS)
    }
    (tmp_path / "mm-vet.json").write_text(json.dumps(rows))
    (tmp_path / "answers.json").write_text(json.dumps({name: f"ours to {name}" for name in rows}))
    return tmp_path


def grade_all(data: Path, server: JudgeServer, repeats: int = 1, retries: int = 2) -> list[Grade]:
    judge = Endpoint("judge", server.url, sampling=SAMPLING, retries=retries)
    answers = read_vet_answers(data / "answers.json")
    tasks = plan_grades(read_mm_vet(data), answers, read_prompt(), judge.settings(), repeats)
    run_judge(tasks, judge, data / "grades.jsonl", ReplyCache(data / "cache"), 2)
    return read_grades(data / "grades.jsonl")


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("0.5", 0.5),
        (" 1.0\n", 1.0),
        ("0", 0.0),
        ("0.7 since it names both", 0.7),
        ("1.5", None),
        ("-0.1", None),
        ("nan", None),
        ("Grade: 0.5", None),
        ("", None),
        ("five", None),
    ],
)
def test_a_grade_is_a_first_word_from_0_to_1(reply: str, grade: float | None) -> None:
    assert parse_grade(reply) == grade


def test_the_row_stands_below_the_prompt_as_published(data: Path, tmp_path: Path) -> None:
    """The message of mm-vet_evaluator.py, whose prompt ends with the end of a line."""
    official = (
        "Compare.\n\nQuestion | Ground truth | Prediction | Correctness\n--- | --- | --- | ---\nq | -1 | x | 0.0\n"
    )
    (tmp_path / "prompt.txt").write_text(official)
    question = read_mm_vet(data)[0]
    [message] = vet_messages(read_prompt(tmp_path / "prompt.txt"), question, "x = -1")
    assert message == {"role": "user", "content": official + "\n" + "What 0? | -1 <AND> -5 | x = -1 | "}
    own = read_prompt()
    rows = [line.split(" | ") for line in own.splitlines() if " | " in line]
    assert (
        len(rows) > 8 and {len(row) for row in rows} == {4} and all(parse_grade(row[3]) is not None for row in rows[2:])
    )
    assert "<AND>" in own and "<OR>" in own


def test_grades_come_to_the_official_figures(data: Path) -> None:
    """Sums per capability over counts, times 100, the mean over rounds: the arithmetic of mm-vet_evaluator.py."""
    replies = {f"What {number}?": [f"{(number + r) % 5 / 4:.1f}" for r in range(3)] for number in range(len(KINDS))}

    def answer(message: str) -> str:
        told = message.rpartition("\n")[2].partition(" | ")[0]
        return replies[told].pop()

    kept = {name: list(given) for name, given in replies.items()}
    with JudgeServer(answer) as server:
        summary = summarize_grades(grade_all(data, server, repeats=3))
    assert {body["temperature"] for body in server.requests} == {0.0}
    grades = np.array([[float(text) for text in kept[f"What {n}?"]] for n in range(len(KINDS))])
    for kind in ("rec", "ocr", "know", "gen", "spat", "math"):
        rows = [n for n, listed in enumerate(KINDS) if kind in listed]
        assert summary["capabilities"][kind]["value"] == pytest.approx(100 * grades[rows].sum(0).mean() / len(rows))
        assert summary["capabilities"][kind]["n"] == len(rows)
    assert summary["total"] == pytest.approx(100 * grades.mean())
    assert summary["rounds"]["n"] == 3 and summary["rounds"]["mean"] == pytest.approx(100 * grades.mean())
    # Two questions take the same three capabilities, in whatever order they are told.
    assert list(summary["combinations"]) == ["gen, know, rec", "math, ocr", "math, ocr, spat", "rec"]
    assert summary["combinations"]["gen, know, rec"]["value"] == pytest.approx(100 * grades[[1, 4]].mean())
    assert next(iter(summary["capabilities"])) == "rec"
    assert summary["interval"][0] <= summary["total"] <= summary["interval"][1]


def test_replies_that_are_no_grade_are_listed_and_left_out(data: Path) -> None:
    with JudgeServer(lambda told: "Well done!" if "What 0?" in told else "0.5") as server:
        summary = summarize_grades(grade_all(data, server))
    assert (summary["total"], summary["n"], summary["unparsed"]) == (50, 4, ["v1_0"])
    with pytest.raises(DataError, match=r"None of 1 reply begins with a grade .*'Well done!'"):
        summarize_grades([Grade("v1_0", ("rec",), "Well done!", None)])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", [429, 500, "cut", "no json"])
def test_faults_of_the_endpoint(fault: int | str, data: Path) -> None:
    with JudgeServer(lambda _: "1.0", [fault, fault]) as server:
        assert summarize_grades(grade_all(data, server))["total"] == 100
    assert len(server.requests) == len(KINDS) + 2


@pytest.mark.usefixtures("quick")
def test_a_stopped_run_goes_on(data: Path) -> None:
    with JudgeServer(lambda _: "1.0", [500] * 2) as server, pytest.raises(JudgeError, match="2 of 5"):
        grade_all(data, server, retries=0)
    assert len(read_grades(data / "grades.jsonl")) == 3


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"v1_0": "a"}, r"There is no answer to 4 questions \(v1_1, v1_2"),
        ({**{f"v1_{n}": "a" for n in range(5)}, "v1_9": "a"}, r"unknown questions \(v1_9\)"),
        ({"v1_0": " "}, "question 'v1_0' has an empty answer"),
        (["a"], "expected a JSON object of texts by question"),
    ],
)
def test_answers_that_do_not_fit(answers: Any, words: str, data: Path) -> None:
    (data / "answers.json").write_text(json.dumps(answers))
    with pytest.raises(DataError, match=words):
        plan_grades(read_mm_vet(data), read_vet_answers(data / "answers.json"), "p", {})


def test_data_and_rules_that_are_none(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        read_mm_vet(tmp_path / "nowhere.json")
    (tmp_path / "other.json").write_text('{"v1_0": {"question": "q"}}')
    with pytest.raises(DataError, match="no field 'answer'"):
        read_mm_vet(tmp_path / "other.json")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="are empty"):
        read_prompt(tmp_path / "empty.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_prompt(tmp_path / "nowhere.txt")
