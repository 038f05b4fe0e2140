"""Stage settings, learning rate, weight decay, state on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.rig import load, sets, stage

from vistune.errors import RecipeError, ResumeError, StorageError
from vistune.train.config import make_stage
from vistune.train.loop import StageRun
from vistune.train.optimiser import build_optimiser, set_rates
from vistune.train.parts import select_parts
from vistune.train.precision import chosen
from vistune.train.schedule import rate_factor
from vistune.train.state import STATE_FILE, is_finished, save_state


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        make_stage(name="x", learning_rates={"projector": 1.0}, steps=0, batch_size=4, learning_rate=1)
    assert all(word in str(caught.value) for word in ("projector", "steps=0", "learning_rate=1", "extra inputs"))


def test_rate_warms_up_linearly_and_falls_as_a_cosine() -> None:
    settings = stage(steps=110, warmup_steps=10)
    factors = [rate_factor(settings, step) for step in range(110)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[9] == pytest.approx(10 / 11)
    assert factors[10] == 1
    assert factors[60] == pytest.approx(0.5)
    assert factors[109] == pytest.approx(0, abs=3e-4)
    assert rate_factor(stage(steps=10, final=0.1), 9) > 0.1


def test_every_part_has_its_rate_and_biases_no_decay(tiny_checkpoints: dict[str, Path]) -> None:
    model, _ = load(tiny_checkpoints["instructblip-llama"])
    settings = stage(learning_rates={"queries": 1.0, "qformer": 0.5}, steps=4, weight_decay=0.05)
    optimiser = build_optimiser(settings, select_parts(model, settings.learning_rates))
    assert set_rates(optimiser, settings, 2) == pytest.approx({"queries": 0.5, "qformer": 0.25})
    decayed = {id(p) for group in optimiser.param_groups if group["weight_decay"] for p in group["params"]}
    for name, parameter in model.connector.named_parameters():
        expected = parameter.requires_grad and parameter.ndim > 1 and not name.endswith("bias")
        assert (id(parameter) in decayed) is expected, name


def test_precision_says_what_it_is() -> None:
    cpu = torch.device("cpu")
    assert chosen("float32", cpu) == "float32"
    assert chosen("auto", cpu) in ("float32", "bfloat16")


def test_a_state_of_other_settings_or_a_damaged_one_is_refused(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    model, processor = load(tiny_checkpoints["llava-linear"])
    data = sets(model, processor)
    assert not is_finished(tmp_path)
    StageRun(model, stage(), data, processor, tmp_path).run()
    assert is_finished(tmp_path)
    with pytest.raises(ResumeError, match="other settings or other data"):
        StageRun(model, stage(batch_size=2), data, processor, tmp_path).run()
    with pytest.raises(ResumeError, match="other settings or other data"):
        StageRun(model, stage(), data[:1], processor, tmp_path).run()
    whole = (tmp_path / STATE_FILE).read_bytes()
    (tmp_path / STATE_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ResumeError, match=r"is damaged .*delete"):
        StageRun(model, stage(), data, processor, tmp_path).run()


def test_a_state_that_cannot_be_written_leaves_the_old_one(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = load(tiny_checkpoints["llava-linear"])
    StageRun(model, stage(), sets(model, processor), processor, tmp_path).run()
    before = (tmp_path / STATE_FILE).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vistune.train.state.torch.save", full)
    with pytest.raises(StorageError, match="the disk is full"):
        save_state(tmp_path, stage(), model, None, 1, "")
    assert (tmp_path / STATE_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".new"] == []
