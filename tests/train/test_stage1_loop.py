"""BLIP-2's first stage through the loop: it learns, in pieces or not, and goes on after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.model.stage1_rig import CAPTIONS, build
from tests.tiny import blip_image_processor, picture
from tests.tiny_tokenizers import bert_tokenizer
from tests.train.rig import StopAfter, stage, weights

from vistune.data.example import Example
from vistune.data.mixture import Mixture
from vistune.data.pairs import PairProcessor, PairSet
from vistune.model.stage1 import Stage1Model
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.feed import Feed
from vistune.train.interrupt import Interrupted
from vistune.train.loop import StageRun
from vistune.train.objectives.blip2_stage1 import Stage1Objective
from vistune.train.objectives.pairs import PairsObjective
from vistune.train.parallel.processes import Processes
from vistune.train.parallel.wrap import spread
from vistune.train.prepare import prepare_model
from vistune.train.reports.json_log import LOG_FILE, JsonLog, read_log


def make_run(folder: Path, model: Stage1Model, steps: int, **settings: Any) -> StageRun:
    tokenizer = bert_tokenizer()
    rows = [Example(f"p-{n}", "pairs", "", caption, (picture(n),)) for n, caption in enumerate(CAPTIONS)]
    processor = PairProcessor(tokenizer, blip_image_processor())
    parts = dict.fromkeys(("queries", "qformer", "heads"), 1e-2)
    chosen = stage(objective="blip2_stage1", train=parts, steps=steps, batch_size=8, **settings)
    alone = Processes.alone()
    trained = [p for named in prepare_model(model, chosen, alone.device).values() for _, p in named]
    data = [PairSet("pairs", rows, tokenizer)]
    return StageRun(
        model,
        chosen,
        Feed(data, Mixture({"pairs": len(rows)}), processor, chosen, steps),
        PairsObjective(Stage1Objective(seed=0, smoothing=0.0)),
        Checkpoints(folder / "checkpoints", 1, alone, print),
        steps=steps,
        seed=0,
        spread=spread(model, trained, "none", alone),
        folder=folder,
        processor=processor,
        reports=[JsonLog(folder)],
    )


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_log(folder / LOG_FILE)]


def test_one_batch_is_learned_by_heart(tmp_path: Path) -> None:
    make_run(tmp_path, build(), 150).run()
    log = read_log(tmp_path / LOG_FILE)
    for name in ("itc", "itm", "itg"):
        assert log[-1]["parts"][name] < 0.25 * log[0]["parts"][name], name
    assert log[0]["loss"] == pytest.approx(sum(log[0]["parts"].values()))
    assert "learned '" in (tmp_path / "first_batch.txt").read_text()


def test_pieces_do_not_change_the_losses(tmp_path: Path) -> None:
    for micro in (8, 2):
        make_run(tmp_path / str(micro), build(), 30, micro_batch_size=micro).run()
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "8"), rel=1e-3)
    assert losses(tmp_path / "2")[:5] == pytest.approx(losses(tmp_path / "8")[:5], rel=1e-5)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def run(folder: Path, stop: StopAfter | None = None) -> dict[str, torch.Tensor]:
        model = build(dropout=0.1)
        make_run(folder, model, 6).run(stop)
        return weights(model)

    straight = run(tmp_path / "straight")
    with pytest.raises(Interrupted):
        run(tmp_path / "stopped", StopAfter(3))
    resumed = run(tmp_path / "stopped")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert losses(tmp_path / "straight") == losses(tmp_path / "stopped")
