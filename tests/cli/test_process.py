"""The command as a process of its own: nothing but the answer on stdout, nothing on stderr, and a real Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.tiny import picture

QUIET = ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TOKENIZERS_PARALLELISM")


def test_ask_prints_the_answer_and_nothing_else(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    picture(3).save(tmp_path / "photo.png")
    environment = {name: value for name, value in os.environ.items() if name not in QUIET}
    command = [sys.executable, "-m", "vistune", "ask", str(tiny_checkpoints["llava-mlp"]), "photo.png", "What is it?"]
    result = subprocess.run(
        [*command, "--choices", "yes|no"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"yes", "no"}


def test_interrupted_process_ends_with_130() -> None:
    program = (
        "import signal, sys, time, types\n"
        # a shell starts what it puts in the background with SIGINT ignored, and children inherit that
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def run_demo(**arguments):\n    print('started', flush=True)\n    time.sleep(60)\n"
        "sys.modules['vistune.demo'] = types.SimpleNamespace(run_demo=run_demo)\n"
        "sys.argv = ['vistune', 'demo']\n"
        "from vistune.cli.app import main\nmain()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == "stopped; run the same command again to go on from here"
