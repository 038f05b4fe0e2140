"""Both chains side by side, each in a process of its own; their events, their end, their orderly stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from vistune import errors
from vistune.demo.setup import Settings
from vistune.errors import TrainingError
from vistune.train.interrupt import Interrupted, StopRequest

# Seconds that a worker has to save and leave before it is killed.
_PATIENCE = 30.0

Event = dict[str, Any]


@dataclass
class _Worker:
    chain: str
    process: subprocess.Popen[str]
    ended: Event | None = None


def cores() -> int:
    """Number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_chains(chains: Sequence[str], settings: Settings, out: Path, on_event: Callable[[str, Event], None]) -> None:
    """Run the chains, as many at a time as there are cores.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the workers have saved.
        VistuneError: a chain failed; the other one has saved.
    """
    waiting = list(chains)
    running: list[_Worker] = []
    events: Queue[tuple[_Worker, Event]] = Queue()
    with StopRequest() as stop:
        try:
            while waiting or running:
                while waiting and len(running) < min(cores(), len(chains)):
                    running.append(_start(waiting.pop(0), settings, out, events))
                _pass_on(events, on_event)
                if stop():
                    raise Interrupted("stopped; everything done so far is kept")
                for worker in [worker for worker in running if worker.process.poll() is not None]:
                    running.remove(worker)
                    _pass_on(events, on_event)
                    _check_end(worker)
        finally:
            _stop(running)


def _start(chain: str, settings: Settings, out: Path, events: Queue[tuple[_Worker, Event]]) -> _Worker:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vistune.demo.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        encoding="utf-8",
        # Ctrl-C goes to the whole foreground group; the workers shall hear of it from here only.
        start_new_session=True,
    )
    worker = _Worker(chain, process)
    task = {"chain": chain, "settings": asdict(settings), "out": str(out.resolve())}
    if process.stdin is None or process.stdout is None:
        raise TrainingError(f"The worker of {chain} has no pipes; run again.")
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    threading.Thread(target=_read, args=(worker, events), daemon=True).start()
    return worker


def _read(worker: _Worker, events: Queue[tuple[_Worker, Event]]) -> None:
    for line in worker.process.stdout or ():
        event = json.loads(line)
        if event["kind"] in ("done", "failed", "stopped"):
            worker.ended = event
        events.put((worker, event))


def _pass_on(events: Queue[tuple[_Worker, Event]], on_event: Callable[[str, Event], None]) -> None:
    """Events that have come, waiting a moment for the first."""
    try:
        worker, event = events.get(timeout=0.2)
        while True:
            on_event(worker.chain, event)
            worker, event = events.get_nowait()
    except Empty:
        return


def _check_end(worker: _Worker) -> None:
    code = worker.process.wait()
    deadline = time.monotonic() + 2
    while worker.ended is None and time.monotonic() < deadline:
        time.sleep(0.02)  # the reading thread may still be at the last line
    end = worker.ended
    if code == 0 and end is not None:
        return
    if end is not None and end["kind"] == "stopped":
        raise Interrupted(end["words"])
    if end is not None and end["kind"] == "failed":
        raise getattr(errors, end["type"], TrainingError)(end["words"])
    raise TrainingError(
        f"The worker of {worker.chain} died (exit code {code}; -9 is often a lack of memory); run the same command "
        "again to go on from its last save."
    )


def _stop(running: Sequence[_Worker]) -> None:
    """Let workers save and leave; kill those that do not."""
    for worker in running:
        worker.process.terminate()
    deadline = time.monotonic() + _PATIENCE
    for worker in running:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
