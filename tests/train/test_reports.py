"""What a run tells: its log, TensorBoard, Weights & Biases, progress, the first batch, spikes, the curve."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from tests.train.rig import make_run, stage

from vistune.errors import RecipeError, ResumeError
from vistune.train.reports.boards import TensorBoard, WandB
from vistune.train.reports.curve import CURVE_FILE, Curve
from vistune.train.reports.first_batch import FIRST_BATCH_FILE
from vistune.train.reports.json_log import LOG_FILE, JsonLog, read_log
from vistune.train.reports.lines import Bar, Lines, clock
from vistune.train.reports.report import Report, StepEntry
from vistune.train.reports.spikes import SPIKES_FILE, SpikeWatch
from vistune.train.result import RESULT_FILE, read_result


def entry(step: int, loss: float = 1.0) -> StepEntry:
    return StepEntry(
        stage="s",
        step=step,
        steps=10,
        loss=loss,
        parts={"loss": loss},
        sets={"a": loss},
        grad_norm=0.5,
        rates={"qformer": 1e-5, "projection": 1e-5},
        samples=4,
        tokens=100,
        learned=12,
        seconds=0.5,
        waited=0.01,
        memory=2**30,
        seconds_left=75.0,
    )


@pytest.mark.parametrize(
    "end", [b'{"step": 3, "lo', b"\xff\xfe\n{}", b"\x00\x00\x00", b"[]\n", b"3\n", b'{"loss": 2}\n']
)
def test_what_a_machine_that_died_left_of_a_log_is_dropped(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / LOG_FILE
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n' + end)
    log = JsonLog(tmp_path)
    log.begin("s", 2, 10)
    log.close()
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_damaged_result_is_told(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"stage": "s"}'):
        (tmp_path / RESULT_FILE).write_text(content)
        with pytest.raises(ResumeError, match=r"result\.json' is damaged.*delete it"):
            read_result(tmp_path)


def test_the_log_is_cut_back_to_the_saved_step(tmp_path: Path) -> None:
    log = JsonLog(tmp_path)
    log.begin("s", 0, 10)
    for step in range(1, 6):
        log.step(entry(step))
        log.evaluated(step, {"mean": 0.1 * step}, False)
    log.close()
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"step": 6, "lo')
    again = JsonLog(tmp_path)
    again.begin("s", 3, 10)
    again.step(entry(4, 2.0))
    again.close()
    entries = read_log(tmp_path / LOG_FILE)
    assert [(line["step"], line["loss"]) for line in entries] == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)]
    assert [line["step"] for line in read_log(tmp_path / "evaluations.jsonl")] == [1, 2, 3]
    assert entries[0]["lr"] == {"qformer": 1e-5, "projection": 1e-5}
    assert entries[0]["tokens_per_second"] == 200


def test_a_run_logs_the_loss_of_every_set(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Sets and tokens add up to the loss."""
    run = make_run(tiny_checkpoints["instructblip-t5"], tmp_path, stage(batch_size=8, micro_batch_size=3))
    run.run()
    seen: set[str] = set()
    for line in read_log(tmp_path / LOG_FILE):
        seen |= set(line["sets"])
        low, high = min(line["sets"].values()), max(line["sets"].values())
        assert low - 1e-5 <= line["loss"] <= high + 1e-5
        assert line["samples"] == 8
        assert 0 < line["learned"] < line["tokens"]
        assert line["lr"].keys() == {"projection"}
        assert line["memory"] > 2**20
        assert 0 <= line["waited"] <= line["seconds"]
    assert seen == {"a", "b"}


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert TensorBoard.installed()
    board = TensorBoard(tmp_path)
    board.begin("s", 0, 10)
    for step in range(1, 4):
        board.step(entry(step, float(step)))
    board.evaluated(3, {"mean": 0.25}, True)
    board.close()
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(point.step, point.value) for point in read.Scalars("loss")] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert read.Scalars("evaluation/mean")[0].value == 0.25
    assert {"sets/a", "lr/qformer", "speed/tokens_per_second"} <= set(read.Tags()["scalars"])


def test_weights_and_biases_goes_on_with_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def init(**options: Any) -> Any:
        calls.append(options)
        return SimpleNamespace(
            id="abc", log=lambda values, step: calls.append((step, values["loss"])), finish=lambda: calls.append("end")
        )

    monkeypatch.setattr("vistune.train.reports.boards.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    for first in (0, 2):
        board = WandB("project", tmp_path, {"steps": 10})
        board.begin("s", first, 10)
        board.step(entry(first + 1))
        board.close()
    assert [call["id"] for call in calls if isinstance(call, dict)] == [None, "abc"]
    assert calls[1:3] == [(1, 1.0), "end"]


def test_weights_and_biases_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vistune.train.reports.boards.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"log\.wandb='mine'.*pip install wandb"):
        WandB("mine", tmp_path, {})


def test_plain_lines_have_everything_one_looks_for() -> None:
    said: list[str] = []
    lines = Lines(said.append, every=2)
    for step in range(1, 4):
        lines.step(entry(step, float(step)))
    assert said == ["s 2/10: loss 1.5, 8.0 samples/s, 200 tokens/s, lr 1.00e-05, 1.0 GB, left 1:15"]
    lines.evaluated(2, {"okvqa": 0.41}, True)
    assert said[-1] == "after step 2: okvqa 0.41 (best so far)"
    assert clock(3723) == "1:02:03"


def test_a_terminal_gets_a_bar() -> None:
    from rich.console import Console

    out = io.StringIO()
    bar = Bar(Console(file=out, force_terminal=True, width=160), every=1)
    bar.begin("tuning", 2, 10)
    bar.line("[first] sample")
    bar.step(entry(3))
    bar.close()
    text = out.getvalue()
    for words in ("tuning", "3/10", "loss 1,", "left 1:15", "[first] sample"):
        assert words in text


@pytest.mark.parametrize("options", [{}, {"max_tokens": 90}], ids=["padded", "packed"])
@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "llava-linear"])
def test_the_first_batch_is_shown_with_what_is_learned(
    family: str, options: dict[str, Any], tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    said: list[str] = []
    run = make_run(tiny_checkpoints[family], tmp_path, stage(steps=1), reports=[Lines(said.append, every=1)], **options)
    run.run()
    lines = (tmp_path / FIRST_BATCH_FILE).read_text().splitlines()
    assert len(lines) == 4
    answers = {"red", "a small cat", "two", "yes it is there"}
    for line in lines:
        assert f"{run.model.num_image_tokens} image tokens" in line
        given, learned = line.split("learned ")
        assert "thing number" in given
        assert any(answer in learned for answer in answers)
        assert not any(f" {answer}'" in given for answer in answers)
    assert said[0] == f"test: first sample: {lines[0]}"
    assert said[-1].startswith("test: 1 step in 0:0")


def test_spikes_stand_out_from_the_last_losses() -> None:
    watch = SpikeWatch()
    noise = torch.Generator().manual_seed(0)
    losses = (2.0 + 0.1 * torch.randn(300, generator=noise)).tolist()
    assert all(watch.add(loss) is None for loss in losses)
    assert watch.add(6.0) == pytest.approx(2.0, abs=0.1)
    assert watch.count == 1
    assert watch.add(2.1) is None
    other = SpikeWatch()
    other.load_state_dict(json.loads(json.dumps(watch.state_dict())))
    assert other.add(6.0) is not None


def test_a_spike_is_written_down_with_its_samples(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """The language model is blown up for one step."""

    class Spoil(Report):
        def step(self, made: StepEntry) -> None:
            with torch.no_grad():
                run.model.language.model.lm_head.weight.mul_({24: 20.0, 25: 1 / 20.0}.get(made.step, 1.0))

    said: list[str] = []
    settings = stage(train={"projection": 1e-6}, steps=30, batch_size=8)
    run = make_run(tiny_checkpoints["llava-linear"], tmp_path, settings, reports=[Spoil(), Lines(said.append, 100)])
    result = run.run()
    spikes = read_log(tmp_path / SPIKES_FILE)
    assert result.spikes == len(spikes) == 1
    assert spikes[0]["step"] == 25
    assert spikes[0]["loss"] == read_log(tmp_path / LOG_FILE)[24]["loss"] > 2 * spikes[0]["median"]
    samples = spikes[0]["samples"]
    drawn = {f"{'ab'[draw.set]}-{draw.index}" for draw in run.feed.mixture.draws(24, 8)}
    assert {sample["id"] for sample in samples} == drawn
    assert [sample["loss"] for sample in samples] == sorted((s["loss"] for s in samples), reverse=True)
    worst = samples[0]
    assert any(f"worst samples: {worst['id']} of {worst['set']}" in line for line in said)


def test_the_curve_is_a_picture(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    make_run(tiny_checkpoints["llava-linear"], tmp_path, stage(), reports=[Curve(tmp_path)]).run()
    root = ElementTree.parse(tmp_path / CURVE_FILE).getroot()
    assert root.tag.endswith("svg")
    lines = [element for element in root if element.tag.endswith("polyline")]
    assert len(lines) == 2
    assert len(lines[0].attrib["points"].split()) == 6
