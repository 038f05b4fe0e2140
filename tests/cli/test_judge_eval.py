"""From `vistune eval` to a judge and into the report: LLaVA-Bench in its three layouts, and MM-Vet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import Outcome, failure, vistune
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer
from tests.judge_server import JudgeServer


@pytest.fixture(scope="module")
def model(tiny_checkpoints: dict[str, Path]) -> Path:
    return tiny_checkpoints["llava-mlp"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with LLaVA-Bench, MM-Vet, and a folder of one's own."""
    root = tmp_path_factory.mktemp("data")
    for name in ("llava_bench_coco", "llava_bench_wild", "mm_vet"):
        RELEASES[name](Writer(root))
    RELEASES["llava_bench"](Writer(root / "mine"))
    grades = {f"v1_{number}": ["rec", "ocr"][: 1 + number % 2] for number in range(3)}
    rows = {
        name: {"imagename": "v1_0.png", "question": f"What is {name}?", "answer": "a<OR>b", "capability": kinds}
        for name, kinds in grades.items()
    }
    Writer(root).json("mm-vet/mm-vet.json", rows)
    return root


@pytest.fixture(scope="module")
def run(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of all of them."""
    out = tmp_path_factory.mktemp("eval") / "run"
    names = ("llava_bench_coco", "llava_bench_wild", str(data / "mine"), "mm_vet")
    outcome = evaluate(model, data, out, *names)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].startswith("llava_bench_coco [llava-1.5]: scored by a judge: vistune judge run ")
    assert f"vistune judge run {data}/mine {out}/mine/judge_answers.jsonl --model JUDGE" in lines[2]
    assert "vistune judge mm-vet" in lines[3]
    return out


def evaluate(model: Path, data: Path, out: Path, *names: str) -> Outcome:
    given = [word for name in names for word in ("--benchmark", name)]
    return vistune("eval", model, *given, "--data-root", data, "--out", out)


def entry(run: Path, name: str) -> dict[str, Any]:
    content = json.loads((run / "results.json").read_text())
    [found] = [one for one in content["benchmarks"] if one["name"] == name]
    return dict(found)


def judged(command: str, data: Path, run: Path, name: str, server: JudgeServer, *more: object) -> dict[str, Any]:
    options = ("--model", "j", "--base-url", server.url, "--cache", run / "cache", "--json", *more)
    outcome = vistune("judge", command, data, run / name / "judge_answers.jsonl", *options)
    assert outcome.code == 0, outcome.err
    return dict(json.loads(outcome.out))


def rate(message: str) -> str:
    """Five for our answer to the first question, four to the second; ten for the reference."""
    return "10 5\nwhy" if "What is conv?" in message else "10 4\nwhy"


def test_answers_are_in_llavas_form(run: Path) -> None:
    for name in ("llava_bench_coco", "llava_bench_wild", "mine"):
        rows = [json.loads(line) for line in (run / name / "judge_answers.jsonl").read_text().splitlines()]
        assert [(row["question_id"], row["prompt"]) for row in rows] == [(0, "What is conv?"), (1, "What is detail?")]
        assert all(isinstance(row["text"], str) and row["answer_id"] for row in rows)
        decoding = entry(run, name)["settings"]["decoding"]
        assert decoding == {"do_sample": False, "num_beams": 1, "max_new_tokens": 1024}


@pytest.mark.parametrize(("name", "folder"), [("llava_bench_coco", "llava_bench"), ("mine", "mine")])
def test_reviews_come_into_the_report(name: str, folder: str, run: Path, data: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    assert entry(out, name)["value"] is None
    with JudgeServer(rate) as server:
        summary = judged("run", data / folder, out, name, server, "--allow-empty")
    assert summary["report"] == str(out / "report.html")
    found = entry(out, name)
    assert found["value"] == summary["relative_score"] == pytest.approx(45.0)
    assert found["details"]["judge"] == "j" and found["details"]["judged"][:2] == "20"
    assert found["details"]["parts"]["conv"]["value"] == 50
    assert found["n"] == 2 and not found["note"]
    page, markdown = (out / "report.html").read_text(), (out / "results.md").read_text()
    assert "45.0" in page and "Judged by j on 20" in page and "judged by j on 20" in markdown
    if name == "llava_bench_coco":
        own = next(line for line in markdown.splitlines() if "(measured)" in line)
        assert own.split(" | ")[1:4] == ["50.0", "40.0", "–"] and "85.1" in markdown
    rows = [json.loads(line) for line in (out / name / "rows.jsonl").read_text().splitlines()]
    assert [row["score"] for row in rows] == [50, 40]


def test_the_same_answers_keep_their_figure(run: Path, data: Path, model: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    with JudgeServer(rate) as server:
        judged("run", data / "mine", out, "mine", server, "--allow-empty")
    first = entry(out, "mine")
    again = evaluate(model, data, out, str(data / "mine"))
    assert "mine [llava-1.5]: 45 (95 % interval" in again.out
    second = entry(out, "mine")
    passing = ("seconds", "reused", "date")
    assert [{**one, **dict.fromkeys(passing)} for one in (second, first)] == [{**first, **dict.fromkeys(passing)}] * 2
    # Other answers: what the judge said is not about them.
    answers = out / "mine" / "answers.jsonl"
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    answers.write_text("".join(json.dumps({**row, "text": "other words"}) + "\n" for row in rows))
    assert "scored by a judge: vistune judge run" in evaluate(model, data, out, str(data / "mine")).out
    assert entry(out, "mine")["value"] is None


def test_a_figure_of_other_answers_is_not_put_into_a_run(run: Path, data: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    answers = out / "mine" / "judge_answers.jsonl"
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    answers.write_text("".join(json.dumps({**row, "text": "better words"}) + "\n" for row in rows))
    with JudgeServer(rate) as server:
        options = ("--model", "j", "--base-url", server.url, "--cache", tmp_path)
        told = vistune("judge", "run", data / "mine", answers, *options).err
    assert "are not those of" in told and entry(out, "mine")["value"] is None


def test_two_judged_runs_are_compared(run: Path, data: Path, tmp_path: Path) -> None:
    runs = [Path(shutil.copytree(run, tmp_path / name)) for name in "ab"]
    for out, answer in zip(runs, (rate, lambda _: "5 5"), strict=True):
        with JudgeServer(answer) as server:
            judged("run", data / "mine", out, "mine", server, "--allow-empty")
    outcome = vistune("compare", *runs, "--json")
    [found] = json.loads(outcome.out)["benchmarks"]
    assert (found["a"], found["b"], found["difference"]) == pytest.approx((45, 100, 55))
    with JudgeServer(rate) as server:
        options = ("--model", "other", "--base-url", server.url, "--allow-empty", "--cache", tmp_path)
        answers = runs[1] / "mine" / "judge_answers.jsonl"
        assert vistune("judge", "run", data / "mine", answers, "--out", tmp_path / "o.jsonl", *options).code == 0
    assert "judged by j there and by other here" in failure("compare", *runs, code=1)


def test_grades_come_into_the_report(run: Path, data: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    with JudgeServer(lambda told: "0.5" if "v1_0" in told else "1.0" if "v1_1" in told else "Good!") as server:
        summary = judged("mm-vet", data / "mm-vet", out, "mm_vet", server, "--allow-empty", "--repeats", 2)
    assert summary["total"] == pytest.approx(75) and summary["unparsed"] == ["v1_2"] and summary["n"] == 2
    assert summary["rounds"] == {"n": 2, "mean": pytest.approx(75), "deviation": 0}
    found = entry(out, "mm_vet")
    assert found["value"] == pytest.approx(75) and found["details"]["unparsed"] == ["v1_2"]
    assert {name: row["value"] for name, row in found["details"]["combinations"].items()} == {
        "rec": 50,
        "ocr, rec": 100,
    }
    page, markdown = (out / "report.html").read_text(), (out / "results.md").read_text()
    assert (
        "6 replies, 2 of which could not be read and are left out (questions v1_2)" in page
        and "LLaVA-1.5-7B" in page
        and "31.1" in page
    )
    assert "2 rounds: 75.0 with a deviation of 0.0" in page and "| ocr, rec | 100.0 | " in markdown
    # The same command again asks nothing.
    with JudgeServer(lambda _: "0.0") as silent:
        options = ("--model", "j", "--base-url", server.url, "--cache", out / "cache", "--allow-empty", "--repeats", 2)
        outcome = vistune("judge", "mm-vet", data / "mm-vet", out / "mm_vet" / "judge_answers.jsonl", *options)
        assert silent.requests == []
    # v1_0 takes "rec" alone, v1_1 two capabilities.
    told = dict(line.strip().split(": ", 1) for line in outcome.out.splitlines() if ", n " in line)
    assert told["rec"].endswith("n 2") and told["rec alone"].endswith("n 1") and told["rec"].split()[0] == "75.0"
    assert "| rec | 75.0 | " in markdown and "| rec alone | 50.0 | " in markdown
    assert "total:  75.0" in outcome.out and "no grade from 0 to 1: questions v1_2" in outcome.out
    again = vistune("judge", "summarize", out / "mm_vet" / "grades.jsonl", "--json")
    assert json.loads(again.out)["capabilities"]["rec"]["n"] == 2


def test_a_run_with_a_limit_is_judged_on_what_it_asked(model: Path, data: Path, tmp_path: Path) -> None:
    arguments = ("--data-root", data, "--limit", 1, "--out", tmp_path)
    assert vistune("eval", model, "--benchmark", "llava_bench_wild", *arguments).code == 0
    with JudgeServer(rate) as server:
        summary = judged("run", data / "llava-bench-in-the-wild", tmp_path, "llava_bench_wild", server, "--allow-empty")
    assert summary["n"] == 1
    assert "a part of the questions was asked (the first 1)" in (tmp_path / "results.md").read_text()


def test_folders_that_are_no_benchmark(model: Path, data: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(data / "mine", tmp_path / "mine"))
    (mine / "answers_gpt4.jsonl").unlink()
    told = failure("eval", model, "--benchmark", mine, "--out", tmp_path / "o", code=1)
    assert "Data is missing in" in told and "answers_gpt4.jsonl" in told
    known = Path(shutil.copytree(data / "mine", tmp_path / "gqa"))
    assert "is called as a known benchmark is" in failure("eval", model, "--benchmark", known, code=2)
    twice = ("--benchmark", data / "mine", "--benchmark", f"{data}/./mine")
    assert "'mine' is given twice" in failure("eval", model, *twice, code=2)
    broken = Path(shutil.copytree(data / "mine", tmp_path / "broken"))
    (broken / "answers_gpt4.jsonl").write_text('{"question_id": 0, "text": "a"}\n')
    told = failure("eval", model, "--benchmark", broken, "--out", tmp_path / "o", code=1)
    assert "questions.jsonl, line 2" in told and "reference" in told


def test_a_local_model_judges(data: Path, model: Path, tmp_path: Path) -> None:
    """Untrained weights talk nonsense: that is told, and no figure comes of it."""
    rules = {f"llava_bench_{kind}": {"role": "A", "prompt": "Rate."} for kind in ("conv", "detail")}
    (tmp_path / "rule.json").write_text(json.dumps(rules))
    (tmp_path / "prompt.txt").write_text("Grade.")
    for name, ids in (("ours", (0, 1)), ("vet", ("v1_0", "v1_1", "v1_2"))):
        rows = [{"question_id": one, "text": "a car"} for one in ids]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    local = ("--local", model, "--cache", tmp_path / "cache", "--max-tokens", 4)
    outcome = vistune("judge", "run", data / "mine", tmp_path / "ours.jsonl", "--rules", tmp_path / "rule.json", *local)
    assert outcome.code == 1 and "error: None of 2 reviews begins with a line of two scores" in outcome.err
    assert len((tmp_path / "reviews.jsonl").read_text().splitlines()) == 2
    rest = ("--rules", tmp_path / "prompt.txt", *local)
    outcome = vistune("judge", "mm-vet", data / "mm-vet", tmp_path / "vet.jsonl", *rest)
    assert outcome.code == 1 and "error: None of 3 replies begins with a grade from 0 to 1" in outcome.err
    long = {"question_id": 0, "text": "a car " * 400}
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps({**long, "question_id": one}) + "\n" for one in (0, 1)))
    outcome = vistune("judge", "run", data / "mine", tmp_path / "ours.jsonl", "--out", tmp_path / "no.jsonl", *local)
    assert outcome.code == 2 and "the language model has 512 positions" in outcome.err
