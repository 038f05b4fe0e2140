"""`vistune eval` and `vistune compare` on its folders: a whole run, a killed one, two processes, odd input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import failure, vistune
from tests.train.parallel.test_two_processes import ROOT, torchrun

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}


def results(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "results.json").read_text())
    return content


def rows(out: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name / "rows.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def model(tiny_checkpoints: dict[str, Path]) -> Path:
    return tiny_checkpoints["instructblip-llama"]


@pytest.fixture(scope="module")
def run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two benchmarks."""
    out = tmp_path_factory.mktemp("eval") / "run"
    outcome = vistune(
        "eval", model, "--benchmark", "world_size", "--benchmark", "world_caption", "--limit", 12, "--out", out
    )
    assert outcome.code == 0, outcome.err
    assert "world_size [instructblip]: " in outcome.out and "95 % interval" in outcome.out
    return out


def test_a_run_leaves_rows_results_and_report(run: Path) -> None:
    content = results(run)
    assert content["finished"] and content["limit"] == 12 and content["suite"] is None
    assert [entry["name"] for entry in content["benchmarks"]] == ["world_size", "world_caption"]
    for entry in content["benchmarks"]:
        assert entry["n"] == 12 and entry["interval"][0] <= entry["value"] <= entry["interval"][1]
        assert entry["protocol"] == "instructblip" and entry["settings"]["answering"] in ("rank", "generate")
        assert len(rows(run, entry["name"])) == 12 and (run / entry["rows"]).is_file()
    assert "World: size" in (run / "results.md").read_text() and (run / "report.html").is_file()


def test_the_same_command_asks_nothing_again(run: Path, model: Path, tmp_path: Path) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    outcome = vistune("eval", model, "--benchmark", "world_size", "--limit", 12, "--out", out, "--json")
    content = json.loads(outcome.out)
    assert [entry["reused"] for entry in content["benchmarks"]] == [12, 0]
    assert content == results(out)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_model_is_refused_and_nothing_is_touched(
    run: Path, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    before = _files(out)
    arguments = ("--benchmark", "world_count", "--limit", 2, "--out", out)
    said = failure("eval", tiny_checkpoints["llava-mlp"], *arguments, code=2)
    assert f"holds results of the model '{results(run)['model']}', which would be mixed" in said
    assert "choose another --out" in said
    # The same folder with other weights.
    said = failure("eval", results(run)["model"], *arguments, "--dtype", "bfloat16", code=2)
    assert "with other weights, sizes or dtype" in said
    answers = tmp_path / "answers.jsonl"
    answers.write_text("\n".join(json.dumps({"id": row["id"], "answer": "a"}) for row in rows(run, "world_caption")))
    theirs = ("--benchmark", "world_caption", "--limit", 12, "--predictions", answers)
    assert "would be mixed with those of 'theirs'" in failure("eval", "theirs", *theirs, "--out", out, code=2)
    assert _files(out) == before
    other = tmp_path / "other"
    assert (
        vistune("eval", "theirs", *theirs, "--out", other).code
        == vistune("eval", "theirs", *theirs, "--out", other).code
    )
    assert "holds results of answers by 'theirs' from a file" in failure(
        "eval", "mine", *theirs, "--out", other, code=2
    )


def test_benchmarks_of_earlier_commands_stay(run: Path, model: Path, tmp_path: Path) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    earlier = results(out)
    more = ("--benchmark", "world_count", "--benchmark", "world_caption", "--limit", 5, "--shuffle", "--seed", 3)
    assert vistune("eval", model, *more, "--out", out).code == 0
    content = results(out)
    size, caption, count = content["benchmarks"]
    assert [entry["name"] for entry in (size, caption, count)] == ["world_size", "world_caption", "world_count"]
    assert size == earlier["benchmarks"][0]
    assert (size["limit"], size["shuffle"], size["seed"], size["n"]) == (12, False, 0, 12)
    for entry in (caption, count):
        assert (entry["limit"], entry["shuffle"], entry["seed"], entry["n"]) == (5, True, 3, 5)
        assert entry["date"] >= size["date"] and entry["versions"] and entry["machine"]["processes"] == 1
    assert content["limit"] == 5 and content["finished"] and content["model_key"] == earlier["model_key"]
    assert content["seconds"] == pytest.approx(sum(entry["seconds"] for entry in content["benchmarks"]), abs=0.002)
    markdown, page = (out / "results.md").read_text(), (out / "report.html").read_text()
    for title in ("World: size", "World: caption", "World: count"):
        assert title in markdown and title in page
    warning = "the first 12 of World: size; 5 (shuffled, seed 3) of World: caption, World: count"
    assert warning in markdown and warning in page
    assert "12 (World: size); 5 (World: caption, World: count)" in page


def test_a_limit_that_leaves_nothing_out_is_none(model: Path, tmp_path: Path) -> None:
    """And a figure that another takes the place of is told."""
    from tests.evaluate.benchmarks.whole import write_release

    from vistune.evaluate.benchmarks import BENCHMARKS

    vsr = BENCHMARKS["vsr"]
    assert len(vsr.examples(write_release(vsr, tmp_path / "data"))) == 2
    out = tmp_path / "out"
    arguments = ("eval", model, "--benchmark", "vsr", "--data-root", tmp_path / "data", "--out", out, "--limit")
    for limit, kept, replaced in ((1, 1, False), (2, None, True), (9, None, False), (1, 1, True)):
        said = vistune(*arguments, limit).out
        [entry] = results(out)["benchmarks"]
        assert entry["limit"] == results(out)["limit"] == kept and entry["n"] == min(limit, 2)
        assert ("only a part" in (out / "results.md").read_text()) == (kept is not None)
        assert ("this takes the place of " in said) == replaced


def test_a_file_of_before_gives_its_settings_to_its_benchmarks(run: Path, model: Path, tmp_path: Path) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    content = results(out)
    for entry in content["benchmarks"]:
        for name in ("suite", "data_root", "seed", "limit", "shuffle", "date", "versions", "machine"):
            del entry[name]
    (out / "results.json").write_text(json.dumps(content))
    assert vistune("eval", model, "--benchmark", "world_count", "--limit", 2, "--out", out).code == 0
    assert [entry["limit"] for entry in results(out)["benchmarks"]] == [12, 12, 2]


@pytest.mark.parametrize(
    ("field", "value", "shown"), [("value", "x", "'x'"), ("n", [1], "[1]"), ("rows", 3, "3"), ("analysis", [], "[]")]
)
def test_edited_results_are_told_before_anything_is_asked(
    run: Path, model: Path, tmp_path: Path, field: str, value: Any, shown: str
) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    content = results(out)
    content["benchmarks"][1][field] = value
    (out / "results.json").write_text(json.dumps(content))
    before = _files(out)
    told = f"says of world_caption that {field} is {shown}, which no `vistune eval` writes; repair it, or delete"
    assert told in failure("eval", model, "--benchmark", "world_count", "--limit", 2, "--out", out, code=1)
    assert told in failure("compare", run, out, code=1)
    assert _files(out) == before


@pytest.mark.parametrize("damage", ["half", "empty", "list", "entry", "folder"])
def test_damaged_results_are_told_before_anything_is_asked(run: Path, model: Path, tmp_path: Path, damage: str) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    path = out / "results.json"
    text = path.read_text()
    said = "delete it"
    if damage == "folder":
        path.unlink()
        path.mkdir()
        said = "cannot be read"
    else:
        path.write_text(
            {"half": text[: len(text) // 2], "empty": "", "list": "[]", "entry": '{"benchmarks": [3]}'}[damage]
        )
    before = _files(out)
    for arguments in ((model,), ("theirs", "--predictions", run / "results.json")):
        assert said in failure("eval", *arguments, "--benchmark", "world_count", "--limit", 2, "--out", out, code=1)
    assert _files(out) == before


def test_shuffled_rows_are_those_of_the_seed(model: Path, tmp_path: Path) -> None:
    ids = []
    for seed, out in ((1, "a"), (1, "b"), (2, "c")):
        arguments = ("--limit", 8, "--shuffle", "--seed", seed, "--out", tmp_path / out)
        assert vistune("eval", model, "--benchmark", "world_size", *arguments).code == 0
        ids.append([row["id"] for row in rows(tmp_path / out, "world_size")])
    assert ids[0] == ids[1] != ids[2] and len(set(ids[0])) == 8


def test_answers_of_another_system(run: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    told = rows(run, "world_caption")
    answers.write_text("\n".join(json.dumps({"id": r["id"], "answer": r["references"][0]}) for r in told))
    arguments = ("--benchmark", "world_caption", "--limit", 12, "--predictions", answers)
    outcome = vistune("eval", "theirs", *arguments, "--out", tmp_path / "out", "--json")
    assert json.loads(outcome.out)["benchmarks"][0]["value"] == 100
    assert "not have; is it of another benchmark" in failure(
        "eval", "theirs", "--benchmark", "world_size", "--predictions", answers, "--out", tmp_path / "no", code=1
    )


def test_two_runs_are_compared(run: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    told = rows(run, "world_caption")
    answers.write_text("\n".join(json.dumps({"id": r["id"], "answer": r["references"][0]}) for r in told))
    better = tmp_path / "better"
    arguments = ("--benchmark", "world_caption", "--limit", 12, "--predictions", answers, "--out", better)
    assert vistune("eval", "theirs", *arguments).code == 0
    [found] = json.loads(vistune("compare", run, better, "--json").out)["benchmarks"]
    own = next(entry for entry in results(run)["benchmarks"] if entry["name"] == "world_caption")
    assert found["benchmark"] == "world_caption" and found["n"] == 12
    assert found["difference"] == pytest.approx(100 - own["value"])
    assert found["low"] <= found["difference"] <= found["high"]
    assert "b - a: +" in vistune("compare", run, better).out
    assert "holds no results.json" in failure("compare", run, tmp_path, code=1)
    assert "--metric is for files" in failure(
        "compare", run, better, "--metric", "exact", "--references", answers, code=2
    )


def _count(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in out.glob("world_caption/answers*.jsonl"))


def test_a_killed_run_goes_on_at_the_sample(model: Path, tmp_path: Path) -> None:
    arguments = ["eval", str(model), "--benchmark", "world_caption", "--limit", "300", "--batch-size", "1"]
    command = [sys.executable, "-m", "vistune", *arguments, "--out", str(tmp_path / "cut")]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while _count(tmp_path / "cut") < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = _count(tmp_path / "cut")
    assert 5 <= done < 300
    outcome = vistune(*arguments[:-2], "--batch-size", 32, "--out", tmp_path / "cut", "--json")
    content = json.loads(outcome.out)["benchmarks"][0]
    assert content["reused"] == done and content["n"] == 300
    whole = vistune(*arguments[:-2], "--batch-size", 32, "--out", tmp_path / "whole", "--json")
    assert json.loads(whole.out)["benchmarks"][0]["value"] == content["value"]
    assert rows(tmp_path / "cut", "world_caption") == rows(tmp_path / "whole", "world_caption")


def test_ctrl_c_says_how_to_go_on(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vistune.evaluate.runner import benchmark

    def stopped(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "answer_windows", stopped)
    outcome = vistune("eval", model, "--benchmark", "world_size", "--limit", 2, "--out", tmp_path)
    assert outcome.code == 130 and "run the same command again to go on from here" in outcome.err


@pytest.mark.slow
def test_two_processes_come_to_what_one_does(run: Path, model: Path, tmp_path: Path) -> None:
    arguments = ("--benchmark", "world_size", "--benchmark", "world_caption", "--limit", 12, "--batch-size", 5)
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert vistune("eval", model, *arguments, "--out", alone).code == 0
    result = torchrun("-m", "vistune", "eval", model, *map(str, arguments), "--out", both, "--device", "cpu")
    assert result.returncode == 0, result.stderr[-4000:]
    assert result.stdout.count("world_size [") == 1
    for name in ("world_size", "world_caption"):
        for one, other in zip(rows(alone, name), rows(both, name), strict=True):
            assert one["answer"] == other["answer"] and one["score"] == other["score"]
            assert one.get("scores") == (pytest.approx(other["scores"], abs=1e-4) if "scores" in other else None)
    assert [e["value"] for e in results(alone)["benchmarks"]] == [e["value"] for e in results(both)["benchmarks"]]
    assert results(both)["machine"]["processes"] == 2


MODEL = "some/model"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((MODEL,), 2, "Give either --suite NAME or --benchmark NAME"),
        ((MODEL, "--suite", "world", "--benchmark", "gqa"), 2, "Give either --suite NAME or --benchmark NAME"),
        ((MODEL, "--suite", "wrld"), 2, "There is no suite 'wrld'"),
        ((MODEL, "--benchmark", "gqq"), 2, "There is no benchmark 'gqq'; did you mean 'gqa'?"),
        ((MODEL, "--benchmark", "gqa", "--benchmark", "gqa"), 2, "'gqa' is given twice"),
        ((MODEL, "--benchmark", "gqa"), 2, "Where is the data of gqa?"),
        ((MODEL, "--benchmark", "gqa", "--data-root", "."), 1, "gqa lacks "),
        ((MODEL, "--benchmark", "world_size", "--limit", "0"), 2, "--limit is 0"),
        ((MODEL, "--benchmark", "world_size", "--batch-size", "0"), 2, "--batch-size is 0"),
        ((MODEL, "--benchmark", "world_size", "--protocol", "blip3"), 2, "There is no protocol 'blip3'"),
        ((MODEL, "--benchmark", "world_size", "--submission"), 2, "there is no official file of world_size"),
        ((MODEL, "--benchmark", "world_size", "--device", "tpu"), 2, "Unknown device 'tpu'"),
        (("no/such/folder", "--benchmark", "world_size"), 1, "no/such/folder"),
        ((MODEL, "--suite", "world", "--predictions", "x.jsonl"), 2, "11 are chosen; give one"),
        ((MODEL, "--benchmark", "world_size", "--predictions", "x.jsonl"), 1, "There is no file 'x.jsonl'"),
    ],
)
def test_wrong_input(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VISTUNE_DATA_ROOT", raising=False)
    assert said in failure("eval", *arguments, code=code)
    assert list(tmp_path.iterdir()) == []


def test_a_split_without_public_answers_is_told_and_its_file_written(model: Path, tmp_path: Path) -> None:
    from tests.evaluate.benchmarks.whole import write_release

    from vistune.evaluate.benchmarks import BENCHMARKS

    write_release(BENCHMARKS["vizwiz"], tmp_path / "data")
    out = tmp_path / "out"
    arguments = ("--benchmark", "vizwiz", "--data-root", tmp_path / "data", "--out", out)
    outcome = vistune("eval", model, *arguments, "--submission")
    assert outcome.code == 0, outcome.err
    assert "vizwiz [instructblip]: no public answers; official file: " in outcome.out
    [entry] = results(out)["benchmarks"]
    assert (entry["value"], entry["note"]) == (None, "no public answers")
    official = json.loads((out / entry["submission"]).read_text())
    assert len(official) == entry["n"]
    assert "leave out --limit" in failure("eval", model, *arguments, "--submission", "--limit", 1, code=2)


def _ended(result: subprocess.CompletedProcess[str], began: float) -> list[str]:
    """What the processes said before torchrun's own words, of a run that failed and did not hang."""
    assert result.returncode != 0 and time.monotonic() - began < 200
    assert "Traceback" not in result.stderr.split("torch/distributed")[0]
    return [line for line in result.stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.slow
def test_what_several_processes_cannot_do_is_told_once(model: Path, tmp_path: Path) -> None:
    """All of them find it out at the same time; none waits for the others."""
    from tests.evaluate.benchmarks.whole import write_release

    from vistune.evaluate.benchmarks import BENCHMARKS

    gqa = BENCHMARKS["gqa"]
    examples = gqa.examples(write_release(gqa, tmp_path / "data"))
    arguments = ("-m", "vistune", "eval", model, "--benchmark", "gqa", "--device", "cpu", "--out", tmp_path / "out")
    began = time.monotonic()
    [said] = _ended(torchrun(*arguments), began)
    assert "Where is the data of gqa?" in said
    # A picture that only the process that opens it finds damaged.
    Path(str(examples[0].images[0])).write_bytes(b"no picture")
    began = time.monotonic()
    first, *others = _ended(torchrun(*arguments, "--data-root", tmp_path / "data"), began)
    told = sorted([first, *others], key=lambda line: "Another process" in line)
    assert "is no picture that Pillow can read" in told[0]
    assert all("run the same command again" in line for line in told[1:]) and len(told) <= 2


@pytest.mark.slow
def test_one_process_of_two_is_killed(model: Path, tmp_path: Path) -> None:
    """The other one ends at once, and the same command goes on."""
    out = tmp_path / "out"
    arguments = ["eval", str(model), "--benchmark", "world_caption", "--limit", "300", "--device", "cpu"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "vistune"]
    process = subprocess.Popen(
        [*command, *arguments, "--batch-size", "1", "--out", str(out)],
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while _count(out) < 10 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    began = time.monotonic()
    os.kill(int(children[-1]), signal.SIGKILL)
    assert process.wait(timeout=100) != 0 and time.monotonic() - began < 60
    done = _count(out)
    outcome = vistune(*arguments, "--out", out, "--json")
    [entry] = json.loads(outcome.out)["benchmarks"]
    assert entry["n"] == 300 and done - 2 <= entry["reused"] <= done
