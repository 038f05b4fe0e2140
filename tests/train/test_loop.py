"""The loop: what moves and what does not, and what must not change the losses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.rig import load, sets, stage

from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.errors import InputError, RecipeError, TrainingError
from vistune.train.interrupt import Interrupted
from vistune.train.log import LOG_FILE, read_log
from vistune.train.loop import Progress, StageRun
from vistune.train.parts import part_of, parts_text
from vistune.train.state import STATE_FILE

INSTRUCTBLIP_PARTS = {"ln_vision": 1e-2, "queries": 1e-2, "qformer": 1e-2, "projection": 1e-2}


def losses(folder: Path) -> list[float]:
    return [entry["loss"] for entry in read_log(folder / LOG_FILE)]


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "llava-linear"])
def test_only_the_named_parts_move_and_the_loss_falls(
    family: str, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    model, processor = load(tiny_checkpoints[family])
    rates = {"projection": 1e-2, "language": 1e-2} if family == "llava-linear" else INSTRUCTBLIP_PARTS
    data = sets(model, processor, before_norm="ln_vision" in rates)
    before = weights(model)
    settings = stage(learning_rates=rates, steps=40, batch_size=12, mixture_power=1.0)
    StageRun(model, settings, data, processor, tmp_path).run()
    moved = {part_of(name) for name, value in weights(model).items() if not torch.equal(value, before[name])}
    assert moved == set(rates)
    assert all(parameter.grad is None for parameter in model.parameters() if not parameter.requires_grad)
    seen = losses(tmp_path)
    assert len(seen) == 40
    assert sum(seen[-4:]) < 0.98 * sum(seen[:4])
    assert not model.training


def test_accumulation_and_padding_do_not_change_the_losses(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    runs = {}
    for micro in (None, 3, 1):
        model, processor = load(tiny_checkpoints["instructblip-llama"])
        data = sets(model, processor, before_norm=True)
        folder = tmp_path / str(micro)
        settings = stage(learning_rates=INSTRUCTBLIP_PARTS, micro_batch_size=micro)
        StageRun(model, settings, data, processor, folder).run()
        runs[micro] = losses(folder)
    for micro in (3, 1):
        assert runs[micro] == pytest.approx(runs[None], rel=1e-4)


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5", "blip2-opt", "llava-mlp"])
def test_packing_does_not_change_the_losses(family: str, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    runs = []
    for packing in ({}, {"max_tokens": 90}, {"max_tokens": 90, "micro_batch_size": 1}):
        model, processor = load(tiny_checkpoints[family])
        folder = tmp_path / str(len(runs))
        settings = stage(batch_size=8, learning_rates={"projection": 1e-3}, **packing)
        StageRun(model, settings, sets(model, processor), processor, folder).run()
        runs.append(losses(folder))
    for packed in runs[1:]:
        assert packed == pytest.approx(runs[0], rel=1e-4)


def test_samples_longer_than_a_packed_row_are_named(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, processor = load(tiny_checkpoints["llava-mlp"])
    run = StageRun(model, stage(max_tokens=10), sets(model, processor), processor, tmp_path)
    with pytest.raises(InputError, match=r"Sample [ab]-\d+ has \d+ tokens, more than the 10 of a packed row"):
        run.run()


def test_models_that_cannot_be_packed_are_refused_before_training(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    model, processor = load(tiny_checkpoints["llava-mlp"])
    model.language._takes_positions = False
    with pytest.raises(RecipeError, match=r"counts positions from the beginning of the row.*leave out max_tokens"):
        StageRun(model, stage(max_tokens=90), sets(model, processor), processor, tmp_path)


def test_cached_features_do_not_change_the_losses(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    runs = []
    for cached in (False, True):
        model, processor = load(tiny_checkpoints["instructblip-llama"])
        data = sets(model, processor, cached=cached, **({"before_norm": True} if cached else {}))
        if cached:
            model.encode_images = None  # type: ignore[assignment,method-assign]
        folder = tmp_path / str(cached)
        StageRun(model, stage(learning_rates=INSTRUCTBLIP_PARTS), data, processor, folder).run()
        runs.append(losses(folder))
    assert runs[1] == pytest.approx(runs[0], rel=1e-4)


def test_a_stopped_run_goes_on_bit_for_bit(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    settings = stage(learning_rates=INSTRUCTBLIP_PARTS, steps=7, save_every=2)

    def run(folder: Path, stop_after: int | None = None) -> tuple[dict[str, torch.Tensor], StageRun]:
        # Dropout stays on: it must come out the same too.
        from vistune.checkpoint import load_model

        model, processor = load_model(tiny_checkpoints["instructblip-llama"], dtype="float32")
        calls = iter(range(100))
        training = StageRun(model, settings, sets(model, processor, before_norm=True), processor, folder)
        training.run(should_stop=None if stop_after is None else lambda: next(calls) + 1 >= stop_after)
        return weights(model), training

    straight, _ = run(tmp_path / "straight")
    for stop_after in (3, 2):
        with pytest.raises(Interrupted, match="stopped in stage 'test' after step"):
            run(tmp_path / "stopped", stop_after)
    resumed, training = run(tmp_path / "stopped")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert losses(tmp_path / "straight") == losses(tmp_path / "stopped")
    again, _ = run(tmp_path / "stopped")
    assert all(torch.equal(straight[name], again[name]) for name in straight)
    assert [s.id for s in training.batch(3)] == [s.id for s in training.batch(3)]


def test_a_killed_run_goes_on_from_its_last_save(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    settings = stage(steps=6, save_every=2, report_every=1)

    def run(folder: Path, die_at: int | None = None) -> dict[str, torch.Tensor]:
        def tell(progress: Progress) -> None:
            if progress.step == die_at:
                raise MemoryError

        model, processor = load(tiny_checkpoints["llava-linear"])
        StageRun(model, settings, sets(model, processor), processor, folder).run(tell)
        return weights(model)

    straight = run(tmp_path / "straight")
    with pytest.raises(MemoryError):
        run(tmp_path / "killed", die_at=5)
    assert len(losses(tmp_path / "killed")) == 5
    killed = run(tmp_path / "killed")
    assert all(torch.equal(straight[name], killed[name]) for name in straight)
    assert losses(tmp_path / "straight") == losses(tmp_path / "killed")


def test_a_loss_that_is_not_finite_stops_with_step_and_samples(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    model, processor = load(tiny_checkpoints["llava-linear"])
    data = sets(model, processor)
    with torch.no_grad():
        model.connector.projection.weight[0, 0] = torch.nan
    run = StageRun(model, stage(), data, processor, tmp_path)
    with pytest.raises(TrainingError, match=r"loss of nan .* at step 0; .*samples: ") as caught:
        run.run()
    assert all(sample.id in str(caught.value) for sample in run.batch(0))
    assert (tmp_path / STATE_FILE).exists()


def test_what_cannot_be_trained_is_said(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, processor = load(tiny_checkpoints["llava-linear"])
    data = sets(model, processor)
    with pytest.raises(RecipeError, match="trains 'qformer', but this model has only vision"):
        StageRun(model, stage(learning_rates={"qformer": 1.0}), data, processor, tmp_path)
    with pytest.raises(RecipeError, match="'vision' on cached features"):
        StageRun(model, stage(learning_rates={"vision": 1.0}), data, processor, tmp_path)
    no_answers = [EncodedSet("x", [Example("1", "x", "Why?")], processor)]
    with pytest.raises(RecipeError, match="have no answers"):
        StageRun(model, stage(), no_answers, processor, tmp_path).run()
    assert "trains: projection" in parts_text(model, ["projection"])


def test_ln_vision_learns_only_on_features_from_before_it(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model, processor = load(tiny_checkpoints["instructblip-llama"])
    with pytest.raises(RecipeError, match="cache them with before_norm=True"):
        StageRun(model, stage(learning_rates=INSTRUCTBLIP_PARTS), sets(model, processor), processor, tmp_path)


def test_the_first_sample_is_shown_with_what_is_learned(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    for family in ("instructblip-llama", "instructblip-t5", "llava-linear"):
        model, processor = load(tiny_checkpoints[family])
        run = StageRun(model, stage(), sets(model, processor), processor, tmp_path / family)
        text = run.describe_sample()
        assert f"{model.num_image_tokens} image tokens" in text
        assert "learned '" in text
        assert "thing number" in text
