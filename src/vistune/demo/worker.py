"""A chain in a process of its own: ``python -m vistune.demo.worker``, one JSON object on stdin, events on stdout.

The parent keeps stdin open; when it closes, even because the parent was killed, the chain saves and leaves.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

# How often progress is told, in seconds.
_EVERY = 0.2


def main() -> int:
    """Run the chain that stdin names; 0 if it was finished, 1 if it failed, 3 if it was stopped."""
    # Whatever prints to stdout beside the events must not get between them.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lock = threading.Lock()

    def emit(**event: Any) -> None:
        with lock:
            events.write(json.dumps(event) + "\n")
            events.flush()

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_wait_for_parent, args=(stop,), daemon=True).start()
    return _run(task, emit, stop)


def _wait_for_parent(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def _run(task: dict[str, Any], emit: Any, stop: threading.Event) -> int:
    emit(kind="progress", words="preparing", share=0.0)
    import torch

    from vistune.demo.chain import ChainRun, Reporter
    from vistune.demo.setup import Settings
    from vistune.errors import VistuneError, is_disk_full
    from vistune.train.interrupt import Interrupted

    # One thread in each of two processes does 1.4 times the work of two threads in one, and results do not depend on
    # the number of cores.
    torch.set_num_threads(1)
    last = [0.0]

    def progress(words: str, share: float) -> None:
        now = time.monotonic()
        if now - last[0] >= _EVERY or share >= 1:
            last[0] = now
            emit(kind="progress", words=words, share=share)

    reporter = Reporter(lambda text: emit(kind="line", words=text), progress, stop.is_set)
    try:
        settings = Settings(**task["settings"])
        ChainRun(
            task["chain"], settings.experiment(), settings.plan(), settings.seed, Path(task["out"]), reporter
        ).run()
    except Interrupted as error:
        emit(kind="stopped", words=str(error))
        return 3
    except VistuneError as error:
        emit(kind="failed", words=str(error), type=type(error).__name__)
        return 1
    except Exception as error:
        if is_disk_full(error):
            words = f"The disk of {task['out']!r} is full; free some space and run the same command again to go on."
            emit(kind="failed", words=words, type="StorageError")
            return 1
        traceback.print_exc()
        emit(kind="failed", words=f"{type(error).__name__}: {error}", type="TrainingError")
        return 1
    emit(kind="done", words="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
