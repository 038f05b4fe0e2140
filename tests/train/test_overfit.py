"""One batch is learned by heart, by every model family and every kind of stage."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.rig import CONNECTOR, losses, make_run, stage

STAGES = {
    "instructblip-llama": CONNECTOR,
    "instructblip-t5": CONNECTOR,
    "blip2-opt": {"queries": 1e-2, "qformer": 1e-2, "projection": 1e-2},
    "blip2-t5": {"queries": 1e-2, "qformer": 1e-2, "projection": 1e-2},
    "llava-linear": {"projection": 1e-2, "language": 1e-2},
    "llava-mlp": {"projection": 1e-2, "language": 1e-2},
}


@pytest.mark.parametrize("family", STAGES)
def test_one_batch_is_learned_by_heart(family: str, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    rates = {**STAGES[family], "language": 1e-2}
    settings = stage(train=rates, steps=60, batch_size=12, weight_decay=0.0, schedule="constant")
    make_run(tiny_checkpoints[family], tmp_path, settings, power=1.0, max_tokens=90).run()
    assert losses(tmp_path)[-1] < 0.05


def test_a_projection_alone_learns_one_sample(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """LLaVA's first stage: little can be said through one matrix, but the loss of a single sample goes away."""
    from tests.train.rig import load, sets

    from vistune.data.encoded_set import EncodedSet
    from vistune.train.in_memory import run_in_memory
    from vistune.train.reports.json_log import JsonLog

    model, processor = load(tiny_checkpoints["llava-linear"])
    whole = sets(model, processor)[0]
    one = EncodedSet("one", whole.examples[:1], processor, whole.features)
    settings = stage(train={"projection": 3e-2}, steps=80, batch_size=1, weight_decay=0.0)
    run_in_memory(model, settings, [one], processor, tmp_path, reports=[JsonLog(tmp_path)]).run()
    seen = losses(tmp_path)
    assert seen[-1] < 0.5 * seen[0]
