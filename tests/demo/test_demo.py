"""The demo from start to end at the smallest budget, stopped, killed, and on people's own pictures."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from vistune.demo import run_demo
from vistune.demo.chain import ChainRun, Reporter
from vistune.demo.finish import finish
from vistune.demo.folders import CHAINS
from vistune.demo.setup import Settings, claim_folder
from vistune.errors import DataError, InputError, ResumeError, TrainingError
from vistune.train.interrupt import Interrupted

MINUTES = 0.01
TASKS = {
    "held-in": {"caption", "count", "colour", "shape", "place", "existence", "question"},
    "held-out": {"spatial", "choice", "size", "dialogue"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run, made by both workers."""
    out = tmp_path_factory.mktemp("demo") / "run"
    run_demo(MINUTES, out)
    return out


@pytest.fixture
def one_thread() -> Any:
    """As in a worker: results are those of one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def results(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "results.json").read_text())
    return content


def test_results_have_the_promised_shape(finished: Path) -> None:
    found = results(finished)
    assert set(found) == {"instructblip", "llava"}
    for model in found.values():
        assert set(model) == {"held_in", "held_out", "tasks"}
        assert {name: set(figures) for name, figures in model["tasks"].items()} == {
            name: {"role", "rank", "generate", "majority", "blind", "n"} for names in TASKS.values() for name in names
        }
        for role, names in TASKS.items():
            assert {name for name, figures in model["tasks"].items() if figures["role"] == role} == names
            core = [model["tasks"][name]["rank"] for name in sorted(names - {"caption", "question"})]
            assert model[role.replace("-", "_")] == pytest.approx(sum(core) / len(core))
        for figures in model["tasks"].values():
            assert all(0 <= figures[kind] <= 1 for kind in ("rank", "generate", "majority", "blind"))
            assert figures["n"] >= 24


def test_report_needs_nothing_else(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert not re.search(r"https?://|<link|<script|@import", page)
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', page))
    assert page.count("data:image/png") >= 20
    for words in ("Majority", "Blind", "InstructBLIP", "LLaVA", "blip2-stage-2", "knew from text", "seed 0"):
        assert words in page


def test_transformers_and_vistune_open_the_tuned_models(finished: Path) -> None:
    from transformers import InstructBlipForConditionalGeneration, LlavaForConditionalGeneration

    import vistune
    from vistune.data.images import open_image

    picture = finished / "pictures" / "1.png"
    prompt = "What color is the star?"
    for name, theirs in (
        ("instructblip", InstructBlipForConditionalGeneration),
        ("llava", LlavaForConditionalGeneration),
    ):
        model, loading = theirs.from_pretrained(finished / name, output_loading_info=True)
        assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        predictor = vistune.load(finished / name)
        batch = predictor.processor.encode([open_image(picture)], [prompt])
        with torch.no_grad():
            ours = predictor.model(**batch.model_inputs()).logits[0, -1]
            inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
            inputs["pixel_values"] = batch.pixel_values
            if name == "instructblip":
                inputs["qformer_input_ids"] = batch.instruction_ids
                inputs["qformer_attention_mask"] = batch.instruction_mask
            torch.testing.assert_close(model.eval()(**inputs).logits[0, -1], ours, rtol=1e-4, atol=1e-4)
        assert predictor.rank([picture], [prompt], ["red", "blue"])[0].best in (0, 1)
    assert "ASSISTANT:" in vistune.load(finished / "llava").processor.format_prompt(prompt, 1)


def test_the_same_command_again_changes_nothing(finished: Path) -> None:
    before = results(finished)
    states = {path: path.stat().st_mtime_ns for path in finished.rglob("state.pt")}
    assert run_demo(MINUTES, finished) == before
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("state.pt")} == states
    with pytest.raises(ResumeError, match=r"holds a run with other settings .*seed 0 instead of 1"):
        run_demo(MINUTES, finished, seed=1)


def test_a_stopped_run_ends_with_the_results_of_an_undisturbed_one(
    finished: Path, tmp_path: Path, one_thread: None
) -> None:
    settings = Settings(MINUTES, 0)
    claim_folder(tmp_path, settings)
    experiment = settings.experiment()
    for chain in CHAINS:
        for patience in (2, 6, 3, None):
            asked = iter(range(10_000))
            stop = (lambda: False) if patience is None else (lambda asked=asked, p=patience: next(asked) >= p)
            run = ChainRun(chain, experiment, settings.plan(), 0, tmp_path, Reporter(should_stop=stop))
            if patience is None:
                run.run()
            else:
                with pytest.raises(Interrupted):
                    run.run()
    finish(settings, tmp_path)
    assert results(tmp_path) == results(finished)
    for model in ("instructblip", "llava"):
        name = "model.safetensors"
        assert (tmp_path / model / name).read_bytes() == (finished / model / name).read_bytes()


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
        except OSError:
            continue  # it ended meanwhile
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_command(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vistune", "demo", "--minutes", "0.5", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "first sample" in line:
            break
    workers = children(process.pid)
    assert workers
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9)
    if number == signal.SIGINT:
        assert "stopped" in err
        assert "go on" in err
        assert "Traceback" not in err
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
def test_a_worker_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vistune.demo import parallel

    def kill(*_: object) -> None:
        for worker in children(os.getpid()):
            os.kill(worker, signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"worker of \w+ died \(exit code -9; .*run the same command again"):
        parallel.run_chains(CHAINS, Settings(0.5, 0), tmp_path, kill)


def test_wrong_arguments_are_refused_at_once(tmp_path: Path) -> None:
    for minutes in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="minutes is"):
            run_demo(minutes, tmp_path)
    with pytest.raises(InputError, match="seed is -1"):
        run_demo(1, tmp_path, seed=-1)
    with pytest.raises(DataError, match="There is no folder"):
        run_demo(1, tmp_path, data=tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []
