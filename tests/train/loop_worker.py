"""A stage by the whole loop, as torchrun starts it: python loop_worker.py KIND OUT CHECKPOINT."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.train.rig import examples, load, stage

from vistune.data.instruction_set import InstructionSet
from vistune.data.mixture import Mixture
from vistune.data.plans import Share
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.feed import Feed
from vistune.train.loop import StageRun
from vistune.train.objectives.answers import AnswersObjective
from vistune.train.parallel.processes import Kind, start, stop
from vistune.train.parallel.wrap import spread
from vistune.train.prepare import prepare_model
from vistune.train.reports.json_log import JsonLog

STEPS = 30


def run(kind: Kind, folder: Path, checkpoint: Path) -> None:
    """Rows packed and of unequal number in the processes, one a micro-batch."""
    processes = start(kind, "cpu")
    model, processor = load(checkpoint)
    rates = {"projection": 1e-3, "language": 1e-3}
    settings = stage(train=rates, steps=STEPS, batch_size=6, micro_batch_size=1, save_every=4)
    trained = [p for named in prepare_model(model, settings, processes.device).values() for _, p in named]
    data = [InstructionSet("a", examples(9, "a"), processor), InstructionSet("b", examples(3, "b"), processor)]
    share = Share(processes.rank, processes.size)
    feed = Feed(data, Mixture({"a": 9, "b": 3}), processor, settings, STEPS, share=share, max_tokens=60)
    StageRun(
        model,
        settings,
        feed,
        AnswersObjective(2),
        Checkpoints(folder / "checkpoints", 1, processes, print),
        steps=STEPS,
        seed=0,
        spread=spread(model, trained, kind, processes),
        folder=folder,
        processor=processor,
        reports=[JsonLog(folder)],
    ).run()
    stop(processes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    kind: Kind = "ddp" if sys.argv[1] == "ddp" else "fsdp"
    run(kind, Path(sys.argv[2]), Path(sys.argv[3]))
