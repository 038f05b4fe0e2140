"""What must not change the losses of a run: 30 steps beside those of one padded batch a step on cached features.

Worst relative difference seen of any step: 2e-7 in pieces, 1.5e-6 packed (LLaVA, whose language model learns), 3e-6 in
chunks, 0 on pixels and with layers computed again, 8e-7 compiled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.rig import CONNECTOR, StopAfter, calm, losses, make_run, stage

from vistune.model import chunked_loss
from vistune.train.interrupt import Interrupted
from vistune.train.recipe.stage import Stage

FAMILIES = ("instructblip-llama", "instructblip-t5", "llava-mlp")
STEPS = 30


def settings(family: str, **more: Any) -> Stage:
    parts = ("projection", "language") if family.startswith("llava") else tuple(CONNECTOR)
    return stage(**{"train": dict.fromkeys(parts, 1e-3), "steps": STEPS, "batch_size": 8, **more})


def trajectory(folder: Path, checkpoint: Path, **options: Any) -> list[float]:
    run_options = {name: options.pop(name) for name in ("max_tokens", "cached") if name in options}
    make_run(checkpoint, folder, settings(checkpoint.name, **options), before=calm, **run_options).run()
    found = losses(folder)
    assert len(found) == STEPS
    return found


@pytest.fixture(scope="module")
def reference(tiny_checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """One padded batch a step, features from the cache."""
    base = tmp_path_factory.mktemp("reference")
    return {name: trajectory(base / name, tiny_checkpoints[name]) for name in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "options",
    [
        {"micro_batch_size": 2},
        {"max_tokens": 90},
        {"max_tokens": 90, "micro_batch_size": 1},
        {"cached": False},
    ],
    ids=["accumulation of 4", "packed", "packed, accumulation", "pixels"],
)
def test_losses_stay_the_same(
    family: str,
    options: dict[str, Any],
    tiny_checkpoints: dict[str, Path],
    tmp_path: Path,
    reference: dict[str, list[float]],
) -> None:
    found = trajectory(tmp_path, tiny_checkpoints[family], **options)
    assert found == pytest.approx(reference[family], rel=1e-5)
    assert reference[family][-1] < reference[family][0]


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_computed_again_change_nothing(
    family: str, tiny_checkpoints: dict[str, Path], tmp_path: Path, reference: dict[str, list[float]]
) -> None:
    parts = ("language",) if family.startswith("llava") else ("qformer", "language")
    assert trajectory(tmp_path, tiny_checkpoints[family], checkpoint_activations=parts) == reference[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_in_chunks_is_that_of_all_logits(
    family: str,
    tiny_checkpoints: dict[str, Path],
    tmp_path: Path,
    reference: dict[str, list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunked_loss, "CHUNK_NUMBERS", 600)  # one or two tokens at a time
    assert trajectory(tmp_path, tiny_checkpoints[family]) == pytest.approx(reference[family], rel=1e-5)


def test_compiled_layers_give_the_same_losses(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, reference: dict[str, list[float]]
) -> None:
    torch.compiler.reset()
    found = trajectory(tmp_path, tiny_checkpoints["llava-mlp"], compile=True)
    assert found == pytest.approx(reference["llava-mlp"], rel=1e-5)


def test_features_in_the_cache_are_read_without_the_encoder(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, reference: dict[str, list[float]]
) -> None:
    run = make_run(tiny_checkpoints["instructblip-llama"], tmp_path, settings("instructblip-llama"))
    run.model.encode_images = None  # type: ignore[assignment,method-assign]
    run.run()
    assert losses(tmp_path) == reference["instructblip-llama"]


def test_the_loss_is_a_mean_over_tokens(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Not the mean of the micro-batches' means, which gives tokens of short answers more weight."""
    run = make_run(tiny_checkpoints["llava-mlp"], tmp_path, stage(steps=1, batch_size=8, micro_batch_size=1))
    step = run.feed.next()
    run.model.eval()
    sums, counts = [], []
    with torch.no_grad():
        for batch in step.batches:
            output = run.model(**batch.model_inputs())
            sums.append(float(output.loss_sum))
            counts.append(int(output.num_tokens))
    run.feed.load_state_dict({"planner": {"step": 0}, "given": 0})
    run.run()
    assert losses(tmp_path)[0] == pytest.approx(sum(sums) / sum(counts), rel=1e-6)
    assert len(set(counts)) > 1
    assert losses(tmp_path)[0] != pytest.approx(sum(s / c for s, c in zip(sums, counts, strict=True)) / 8, rel=1e-3)


def test_a_run_stopped_twice_goes_on_bit_for_bit(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, reference: dict[str, list[float]]
) -> None:
    checkpoint = tiny_checkpoints["llava-mlp"]
    for steps in (11, 8, None):
        run = make_run(checkpoint, tmp_path, settings("llava-mlp"))
        if steps is None:
            run.run()
        else:
            with pytest.raises(Interrupted):
                run.run(StopAfter(steps))
    assert losses(tmp_path) == reference["llava-mlp"]
