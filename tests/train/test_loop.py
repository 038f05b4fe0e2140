"""The loop: what moves and what does not, stopping and going on, losses that are not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.rig import CONNECTOR, StopAfter, load, losses, make_run, sets, stage, weights

from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.errors import InputError, RecipeError, ResumeError, TrainingError
from vistune.train.in_memory import run_in_memory
from vistune.train.interrupt import Interrupted, StopRequest
from vistune.train.parts import part_of, parts_text
from vistune.train.reports.report import Report, StepEntry
from vistune.train.result import read_result


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "llava-linear"])
def test_only_the_named_parts_move_and_the_loss_falls(
    family: str, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    rates = {"projection": 1e-2, "language": 1e-2} if family == "llava-linear" else CONNECTOR
    run = make_run(tiny_checkpoints[family], tmp_path, stage(train=rates, steps=40, batch_size=12), power=1.0)
    before = weights(run.model)
    result = run.run()
    moved = {part_of(name) for name, value in weights(run.model).items() if not torch.equal(value, before[name])}
    assert moved == set(rates)
    frozen = [parameter for parameter in run.model.parameters() if not parameter.requires_grad]
    assert all(parameter.grad is None for parameter in frozen)
    known = {id(parameter) for group in run._optimiser.param_groups for parameter in group["params"]}
    assert not known & {id(parameter) for parameter in frozen}
    seen = losses(tmp_path)
    assert len(seen) == 40
    assert sum(seen[-4:]) < 0.98 * sum(seen[:4])
    assert not run.model.training
    assert result == read_result(tmp_path)
    assert (result.steps, result.samples, result.bad_rows) == (40, 480, 0)
    assert result.loss == pytest.approx(sum(seen[-2:]) / 2)


def test_a_stopped_run_goes_on_bit_for_bit(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    settings = stage(train=CONNECTOR, steps=7, save_every=2)

    # Dropout stays on: it must come out the same too.
    def run(folder: Path, stop: StopAfter | None = None) -> dict[str, torch.Tensor]:
        training = make_run(tiny_checkpoints["instructblip-llama"], folder, settings, dropout=True)
        training.run(stop)
        return weights(training.model)

    straight = run(tmp_path / "straight")
    for steps in (3, 2):
        with pytest.raises(Interrupted, match=r"stopped in stage 'test' after step \d of 7"):
            run(tmp_path / "stopped", StopAfter(steps))
    resumed = run(tmp_path / "stopped")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert losses(tmp_path / "straight") == losses(tmp_path / "stopped")
    again = run(tmp_path / "stopped")
    assert all(torch.equal(straight[name], again[name]) for name in straight)


class DieAt(Report):
    """An accident at a step."""

    def __init__(self, step: int | None) -> None:
        self.at = step

    def step(self, entry: StepEntry) -> None:
        """As the loop calls it."""
        if entry.step == self.at:
            raise MemoryError


def test_a_killed_run_goes_on_from_its_last_save(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    settings = stage(steps=6, save_every=2)

    def run(folder: Path, die_at: int | None = None) -> dict[str, torch.Tensor]:
        training = make_run(tiny_checkpoints["llava-linear"], folder, settings, reports=[DieAt(die_at)])
        try:
            training.run()
        finally:
            training.checkpoints.wait()
        return weights(training.model)

    straight = run(tmp_path / "straight")
    with pytest.raises(MemoryError):
        run(tmp_path / "killed", die_at=5)
    assert len(losses(tmp_path / "killed")) == 5
    assert read_result(tmp_path / "killed") is None
    killed = run(tmp_path / "killed")
    assert all(torch.equal(straight[name], killed[name]) for name in straight)
    assert losses(tmp_path / "straight") == losses(tmp_path / "killed")


def test_other_settings_or_data_are_refused_and_free_ones_are_not(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    folder = tiny_checkpoints["llava-linear"]
    with pytest.raises(Interrupted):
        make_run(folder, tmp_path, stage()).run(StopAfter(2))
    with pytest.raises(ResumeError, match="other settings"):
        make_run(folder, tmp_path, stage(weight_decay=0.0)).run()
    with pytest.raises(ResumeError, match="other data"):
        make_run(folder, tmp_path, stage(), power=1.0).run()
    make_run(folder, tmp_path, stage(save_every=3, micro_batch_size=2)).run()
    assert len(losses(tmp_path)) == 6


def test_a_loss_that_is_not_finite_stops_with_step_and_samples(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    def spoil(model: Any) -> None:
        with torch.no_grad():
            model.connector.projection.weight[0, 0] = torch.nan

    run = make_run(tiny_checkpoints["llava-linear"], tmp_path, stage(), before=spoil)
    with pytest.raises(TrainingError, match=r"loss of nan .* at step 1; .*samples: [ab]-\d.* is saved in") as caught:
        run.run()
    drawn = run.feed.mixture.draws(0, 4)
    assert all(f"{'ab'[draw.set]}-{draw.index}" in str(caught.value) for draw in drawn)
    again = make_run(tiny_checkpoints["llava-linear"], tmp_path, stage())
    assert again.checkpoints.newest() is not None
    assert again._restore() == 0


def test_the_sample_to_blame_is_named(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, processor = load(tiny_checkpoints["llava-linear"])
    data = sets(model, processor)
    features = data[0].features
    assert features is not None
    features.values[features.rows_of([data[0].examples[2].images[0]])] = torch.nan  # type: ignore[attr-defined]
    run = run_in_memory(model, stage(batch_size=12), data, processor, tmp_path, power=1.0)
    with pytest.raises(TrainingError, match=r"its samples: ([ab]-[27](, )?)+\. The state"):
        run.run()


def test_what_cannot_be_trained_is_said(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = tiny_checkpoints["llava-linear"]
    with pytest.raises(RecipeError, match="trains 'qformer', but this model has only vision"):
        make_run(folder, tmp_path, stage(train={"qformer": 1.0}))
    with pytest.raises(RecipeError, match="'vision' on cached features"):
        make_run(folder, tmp_path, stage(train={"vision": 1.0}))
    model, processor = load(folder)
    no_answers = [EncodedSet("x", [Example("1", "x", "Why?")], processor)]
    with pytest.raises(RecipeError, match="Sample 1 has no answer to learn from"):
        run_in_memory(model, stage(), no_answers, processor, tmp_path).run()
    assert "trains: projection" in parts_text(model, ["projection"])


def test_ln_vision_learns_only_on_features_from_before_it(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, processor = load(tiny_checkpoints["instructblip-llama"])
    with pytest.raises(RecipeError, match="cache them with before_norm=True"):
        run_in_memory(model, stage(train=CONNECTOR), sets(model, processor), processor, tmp_path)


def test_samples_longer_than_a_packed_row_are_named(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    run = make_run(tiny_checkpoints["llava-mlp"], tmp_path, stage(), max_tokens=10)
    with pytest.raises(InputError, match=r"Sample [ab]-\d+ has \d+ tokens, more than the 10 of a packed row"):
        run.run()


def test_models_that_cannot_be_packed_are_refused_before_training(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    def forget(model: Any) -> None:
        model.language._takes_positions = False

    with pytest.raises(RecipeError, match=r"counts positions from the beginning of the row.*leave out max_tokens"):
        make_run(tiny_checkpoints["llava-mlp"], tmp_path, stage(), before=forget, max_tokens=90)


def test_sigterm_is_remembered_and_asked_for_once_a_step(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import os
    import signal

    class Terminate(Report):
        def step(self, entry: StepEntry) -> None:
            if entry.step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)

    run = make_run(tiny_checkpoints["llava-linear"], tmp_path, stage(), reports=[Terminate()])
    with StopRequest("One moment.") as stop, pytest.raises(Interrupted, match="after step 3 of 6"):
        run.run(stop)
    assert capfd.readouterr().err.count("One moment.") == 1
    newest = run.checkpoints.newest()
    assert newest is not None
    assert newest.name.endswith("3")


def test_bad_samples_of_all_sittings_are_listed_once(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    import json

    from tests.train.rig import examples

    from vistune.data.bad_rows import OnError, RowLog
    from vistune.data.instruction_set import InstructionSet
    from vistune.data.mixture import Mixture
    from vistune.train.checkpoints.checkpoints import Checkpoints
    from vistune.train.feed import Feed
    from vistune.train.loop import StageRun
    from vistune.train.objectives.answers import AnswersObjective
    from vistune.train.parallel.processes import Processes
    from vistune.train.parallel.wrap import spread
    from vistune.train.prepare import prepare_model

    rows = examples(6)
    for place in (1, 4):
        rows[place] = Example(f"a-{place}", "a", "Why?", "no", (tmp_path / f"gone-{place}.png",))

    def run() -> StageRun:
        model, processor = load(tiny_checkpoints["llava-linear"])
        alone, settings = Processes.alone(), stage(steps=6, batch_size=3)
        trained = [p for named in prepare_model(model, settings, alone.device).values() for _, p in named]
        log = RowLog(OnError("skip", 0.9))
        data = [InstructionSet("a", rows, processor)]
        feed = Feed(data, Mixture({"a": 6}), processor, settings, 6, log=log, workers=1)
        saved = Checkpoints(tmp_path / "run" / "checkpoints", 1, alone, print)
        return StageRun(
            model,
            settings,
            feed,
            AnswersObjective(1),
            saved,
            steps=6,
            seed=0,
            spread=spread(model, trained, "none", alone),
            folder=tmp_path / "run",
            processor=processor,
        )

    with pytest.raises(Interrupted):
        run().run(StopAfter(3))
    result = run().run()
    listed = [json.loads(line) for line in (tmp_path / "run" / "bad_rows.jsonl").read_text().splitlines()]
    assert sorted(entry["place"] for entry in listed) == ["a, record 2", "a, record 5"]
    assert result.bad_rows == 2
    assert result.samples == 18 - 6
