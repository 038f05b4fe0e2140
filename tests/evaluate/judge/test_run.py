"""Reviews from a real HTTP server, with its faults; a file that a stopped run goes on in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.judge_server import JudgeServer, quick

from vistune.errors import DataError, InputError, JudgeError
from vistune.evaluate.judge.cache import ReplyCache
from vistune.evaluate.judge.folder import by_question, read_questions
from vistune.evaluate.judge.judges import Endpoint, LocalJudge
from vistune.evaluate.judge.review_tasks import plan_reviews
from vistune.evaluate.judge.rules import Rules
from vistune.evaluate.judge.run import run_judge

__all__ = ["quick"]

BENCH = Path(__file__).parents[4] / "shared" / "data" / "llava_bench"
COUNT = 6


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A benchmark of six questions about two pictures, in the released form."""
    folder = tmp_path / "bench"
    folder.mkdir()
    pictures = ["a.jpg", "b.jpg"]
    kinds = ["conv", "detail", "complex"]
    write(
        folder / "questions.jsonl",
        [
            {"question_id": i, "image": pictures[i % 2], "text": f"What {i}?", "category": kinds[i % 3]}
            for i in range(COUNT)
        ],
    )
    write(folder / "context.jsonl", [{"image": name, "caption": f"A picture called {name}."} for name in pictures])
    write(folder / "answers_gpt4.jsonl", [{"question_id": i, "text": f"reference {i}"} for i in range(COUNT)])
    write(folder / "ours.jsonl", [{"question_id": i, "text": f"ours {i}"} for i in reversed(range(COUNT))])
    return folder


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def judge_all(bench: Path, judge: Any, out: Path, cache: Path | None = None, parallel: int = 4, **ways: Any) -> None:
    answers = by_question(bench / "ours.jsonl")
    tasks = plan_reviews(read_questions(bench), answers, Rules(ways.pop("rules", None)), judge.settings(), **ways)
    run_judge(tasks, judge, out, None if cache is None else ReplyCache(cache), parallel)


def ours_is_better(message: str) -> str:
    """Nine for our answer, five for the reference, wherever they stand."""
    return "9 5\nwhy" if message.index("ours") < message.index("reference") else "5 9\nwhy"


def test_every_question_is_judged_once_joined_by_id(bench: Path, tmp_path: Path) -> None:
    with JudgeServer(ours_is_better) as server:
        judge_all(bench, Endpoint("judge", server.url), tmp_path / "out.jsonl")
    rows = rows_of(tmp_path / "out.jsonl")
    assert sorted(row["question_id"] for row in rows) == list(range(COUNT))
    assert all(row["tuple"] == [5.0, 9.0] for row in rows)
    assert {body["model"] for body in server.requests} == {"judge"}
    assert {body["temperature"] for body in server.requests} == {0.2}
    told = server.requests[0]["messages"]
    assert [message["role"] for message in told] == ["system", "user"]
    number = told[1]["content"].split("What ")[1][0]
    # The released form, and answers joined by id although the files have other orders.
    assert told[1]["content"].startswith("[Context]\nA picture called ")
    assert (
        f"[Question]\nWhat {number}?\n\n[Assistant 1]\nreference {number}\n\n[End of Assistant 1]\n\n"
        in told[1]["content"]
    )
    assert f"[Assistant 2]\nours {number}\n\n[End of Assistant 2]\n\n[System]\n" in told[1]["content"]


def test_both_orders_and_rounds(bench: Path, tmp_path: Path) -> None:
    with JudgeServer(ours_is_better) as server:
        judge_all(bench, Endpoint("judge", server.url), tmp_path / "out.jsonl", repeats=2, both_orders=True)
    rows = rows_of(tmp_path / "out.jsonl")
    assert len(rows) == 4 * COUNT
    assert all(row["tuple"] == [5.0, 9.0] for row in rows)
    assert sum(row["swapped"] for row in rows) == 2 * COUNT


def test_requests_at_once_are_capped(bench: Path, tmp_path: Path) -> None:
    with JudgeServer(ours_is_better) as server:
        judge_all(bench, Endpoint("judge", server.url), tmp_path / "out.jsonl", parallel=2)
    assert server.most_at_once <= 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", [429, 500, 503, "cut", "no json", "no choices"])
def test_passing_faults_are_tried_again(fault: int | str, bench: Path, tmp_path: Path) -> None:
    with JudgeServer(ours_is_better, [fault, fault]) as server:
        judge_all(bench, Endpoint("judge", server.url, retries=3), tmp_path / "out.jsonl", parallel=1)
    assert len(rows_of(tmp_path / "out.jsonl")) == COUNT
    assert len(server.requests) == COUNT + 2


@pytest.mark.usefixtures("quick")
def test_a_request_that_hangs_is_given_up(bench: Path, tmp_path: Path) -> None:
    with JudgeServer(ours_is_better, ["hang"]) as server:
        judge_all(bench, Endpoint("judge", server.url, timeout=0.3, retries=2), tmp_path / "out.jsonl")
    assert len(rows_of(tmp_path / "out.jsonl")) == COUNT


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([401] * 9, "HTTP 401 .*check the key in OPENAI_API_KEY"),
        ([404] * 9, "HTTP 404 .*check the model's name"),
        ([500] * 99, "6 of 6 reviews could not be had .*HTTP 500"),
        (["no json"] * 99, "no chat completion"),
    ],
)
def test_faults_that_stay_are_told(faults: list[int | str], words: str, bench: Path, tmp_path: Path) -> None:
    with JudgeServer(ours_is_better, faults) as server, pytest.raises(JudgeError, match=words):
        judge_all(bench, Endpoint("judge", server.url, retries=1), tmp_path / "out.jsonl", parallel=1)
    if faults[0] in (401, 404):
        assert len(server.requests) == 1


@pytest.mark.usefixtures("quick")
def test_a_run_goes_on_where_it_stopped_and_pays_nothing_twice(bench: Path, tmp_path: Path) -> None:
    out, cache = tmp_path / "out.jsonl", tmp_path / "cache"
    with JudgeServer(ours_is_better, [500] * 3) as server, pytest.raises(JudgeError, match="3 of 6"):
        judge_all(bench, Endpoint("judge", server.url, retries=0), out, cache, parallel=1)
    assert len(rows_of(out)) == 3
    with out.open("a") as file:
        file.write('{"question_id": 5, "cont')  # a kill in the middle of a line
    with JudgeServer(ours_is_better) as again:
        # The same endpoint on another port would be another judge: keep the settings.
        again_judge = Endpoint("judge", server.url)
        again_judge._client = Endpoint("judge", again.url)._client
        judge_all(bench, again_judge, out, cache)
        assert len(again.requests) == 3
        assert sorted(row["question_id"] for row in rows_of(out)) == list(range(COUNT))
        kept = Endpoint("judge", server.url)
        judge_all(bench, kept, tmp_path / "anew.jsonl", cache)
    assert len(again.requests) == 3
    assert all(row["cached"] for row in rows_of(tmp_path / "anew.jsonl"))


def test_reviews_of_something_else_are_not_gone_on_with(bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with JudgeServer(ours_is_better) as server:
        judge_all(bench, Endpoint("judge", server.url), out)
        with pytest.raises(DataError, match=r"of another answer.*choose another --out"):
            judge_all(bench, Endpoint("another", server.url), out)


def test_answers_that_do_not_fit_the_questions(bench: Path, tmp_path: Path) -> None:
    rules, questions = Rules(), read_questions(bench)
    answers = by_question(bench / "ours.jsonl")
    with pytest.raises(DataError, match=r"There is no answer to 1 question \(3\)"):
        plan_reviews(questions, {k: v for k, v in answers.items() if k != "3"}, rules, {})
    with pytest.raises(DataError, match=r"unknown questions \(77\)"):
        plan_reviews(questions, {**answers, "77": {"text": "x"}}, rules, {})
    write(tmp_path / "twice.jsonl", [{"question_id": 0, "text": "x"}] * 2)
    with pytest.raises(DataError, match="stands there twice"):
        by_question(tmp_path / "twice.jsonl")
    write(tmp_path / "empty.jsonl", [{"question_id": 0, "text": " "}])
    with pytest.raises(DataError, match="empty answer"):
        by_question(tmp_path / "empty.jsonl")


def test_a_judge_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match=r"needs a key, but OPENAI_API_KEY is not set"):
        Endpoint("gpt-4")


def test_the_key_is_sent(bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    with JudgeServer(ours_is_better) as server:
        judge_all(bench, Endpoint("judge", server.url, "MY_KEY"), tmp_path / "out.jsonl")
    assert set(server.keys) == {"Bearer secret"}
    assert "secret" not in (tmp_path / "out.jsonl").read_text()


def test_rule_file_in_the_released_form(bench: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rule.json"
    rules.write_text(
        json.dumps({f"llava_bench_{k}": {"role": "AI", "prompt": f"Rate {k}."} for k in ("conv", "detail", "complex")})
    )
    with JudgeServer(lambda _: "1 2") as server:
        judge_all(bench, Endpoint("judge", server.url), tmp_path / "out.jsonl", rules=rules)
    told = sorted(body["messages"][1]["content"].split("[System]\n")[1] for body in server.requests)
    assert told[0] == "Rate complex.\n\n"
    assert "[AI 1]" in server.requests[0]["messages"][1]["content"]
    rules.write_text(json.dumps({"conv": {"role": "AI", "prompt": "x"}}))
    with pytest.raises(InputError, match="has no rule 'llava_bench_"):
        plan_reviews(read_questions(bench), by_question(bench / "ours.jsonl"), Rules(rules), {})


@pytest.mark.skipif(not BENCH.is_dir(), reason="the real LLaVA-Bench files are not beside the project")
def test_the_real_benchmark_joins() -> None:
    questions = read_questions(BENCH)
    assert len(questions) == 90
    assert {question.sees for question in questions} == {"boxes"}
    official = Rules(BENCH / "rule.json")
    tasks = plan_reviews(questions, by_question(BENCH / "qa90_gpt4_answer.jsonl"), official, {})
    words = tasks[0].messages[1]["content"]
    assert words.startswith("[Context]\nTwo antique suitcases sit stacked one on top of the other.\n")
    assert "\n\nsuitcase: [0.167, 0.025, 0.989, 0.445]\n" in words


def test_a_model_in_this_process_judges(bench: Path, tmp_path: Path) -> None:
    class Predictor:
        def generate(self, images: list[None], prompts: list[str], **_: Any) -> list[str]:
            assert images == [None]
            return [ours_is_better(prompts[0])]

    judge_all(bench, LocalJudge(Predictor(), "local"), tmp_path / "out.jsonl")  # type: ignore[arg-type]
    assert {tuple(row["tuple"]) for row in rows_of(tmp_path / "out.jsonl")} == {(5.0, 9.0)}


def test_equal_answers_in_both_orders_are_two_reviews(bench: Path, tmp_path: Path) -> None:
    """The reference judged beside itself reads the same in either order: asked twice, and gone on with rightly."""
    answers = by_question(bench / "answers_gpt4.jsonl")
    out = tmp_path / "out.jsonl"
    with JudgeServer(lambda _: "8 7\nwhy") as server:
        for _ in range(2):
            judge = Endpoint("judge", server.url)
            tasks = plan_reviews(read_questions(bench), answers, Rules(), judge.settings(), both_orders=True)
            assert len({task.key for task in tasks}) == 2 * COUNT
            run_judge(tasks[:-1] if not out.exists() else tasks, judge, out, ReplyCache(tmp_path / "cache"))
    assert len(server.requests) == len(rows_of(out)) == 2 * COUNT


@pytest.mark.usefixtures("quick")
def test_a_judge_that_is_away_ends_the_run(bench: Path, tmp_path: Path) -> None:
    with (
        JudgeServer(ours_is_better, [500] * 99) as server,
        pytest.raises(JudgeError, match=r"^The judge 'judge' refused with HTTP 500"),
    ):
        judge_all(bench, Endpoint("judge", server.url, retries=0), tmp_path / "out.jsonl", parallel=2, repeats=5)
    assert len(server.requests) <= 10
