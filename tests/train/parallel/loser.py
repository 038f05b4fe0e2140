"""Two processes of which the second dies without a word; what the first one says of it goes to a file.

python -m torch.distributed.run --nproc-per-node 2 tests/train/parallel/loser.py FILE
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from vistune.errors import TrainingError
from vistune.train.parallel.processes import start
from vistune.train.parallel.wrap import spread


def main(file: Path) -> None:
    """Steps until one is gone; then the other asks it, and hands it gradients."""
    # torchrun tells those that are left to end; the sentences are wanted first.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    processes = start("ddp")
    model = nn.Linear(4, 4)
    spreading = spread(model, model.parameters(), "ddp", processes)
    for _ in range(3):
        spreading.backward(spreading.module(torch.ones(2, 4)).sum(), last=True)
    if not processes.is_main:
        os.kill(os.getpid(), signal.SIGKILL)
    said = []
    for ask in (
        lambda: processes.most(1),
        lambda: spreading.backward(spreading.module(torch.ones(2, 4)).sum(), last=True),
    ):
        try:
            ask()
        except TrainingError as error:
            said.append(str(error))
    file.write_text("\n".join(said), encoding="utf-8")
    raise SystemExit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
