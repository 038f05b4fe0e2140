"""The whole loop in two processes, started by torchrun, against one: feed, packing, per-set losses, log, result.

Worst relative difference of a loss seen: 8e-8.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.train.loop_worker import STEPS, run

from vistune.train.reports.json_log import LOG_FILE, read_log
from vistune.train.result import read_result

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_log_what_one_does(kind: str, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = tiny_checkpoints["llava-mlp"]
    run("none", tmp_path / "one", checkpoint)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = str(Path(__file__).with_name("loop_worker.py"))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, script, kind, str(tmp_path / "two"), str(checkpoint)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = read_log(tmp_path / "one" / LOG_FILE), read_log(tmp_path / "two" / LOG_FILE)
    assert len(one) == len(two) == STEPS
    for alone, together in zip(one, two, strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], rel=1e-5)
        assert together["grad_norm"] == pytest.approx(alone["grad_norm"], rel=1e-4)
        assert together["sets"] == pytest.approx(alone["sets"], rel=1e-5)
        assert [together[name] for name in ("samples", "tokens", "learned")] == [
            alone[name] for name in ("samples", "tokens", "learned")
        ]
    first, second = read_result(tmp_path / "one"), read_result(tmp_path / "two")
    assert first is not None and second is not None
    assert (first.samples, first.tokens) == (second.samples, second.tokens)
