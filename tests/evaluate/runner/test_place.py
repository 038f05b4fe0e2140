"""Several commands in one folder: no benchmark is measured by two at once, and what they share is written by one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.train.parallel.test_two_processes import ROOT

from vistune.errors import InputError, StorageError
from vistune.evaluate.runner.place import Place

# Locks are between processes.
OTHER = """
import sys, time
from pathlib import Path
from vistune.evaluate.runner.place import Place
place = Place(Path(sys.argv[1]))
place.take("gqa")
with place.results():
    print("taken", flush=True)
    time.sleep(1)
    Path(sys.argv[1], "written").touch()
print("done", flush=True)
sys.stdin.readline()
"""


def test_one_command_a_benchmark_and_one_at_the_results(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "out"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(out)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdout.readline() == "taken\n"
    place = Place(out)
    with pytest.raises(InputError, match=r"Another command is measuring gqa in .*out' at present; wait for it, or"):
        place.take("gqa")
    place.take("vqav2")
    began = time.monotonic()
    with place.results():
        assert (out / "written").exists() and time.monotonic() - began < 60
    # A process that dies leaves nothing taken.
    other.kill()
    other.wait()
    place.take("gqa")
    place.leave("gqa")
    place.close()


def test_nothing_is_made_before_something_is_taken(tmp_path: Path) -> None:
    Place(tmp_path / "out").close()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Place(tmp_path / "file").take("gqa")
