"""What the demo shows while it runs: bars with time left on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

# Seconds between the plain lines of a chain.
_PLAIN_EVERY = 10.0


class Display:
    """Context that shows the events of chains."""

    def __init__(self, chains: tuple[str, ...], console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._clocks = {chain: _Clock() for chain in chains}
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.fields[chain]:<12}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("left {task.fields[left]}"),
                TextColumn("{task.description}"),
                console=self._console,
            )
            for chain in chains:
                self._tasks[chain] = self._bars.add_task("starting", total=1.0, chain=chain, left="?")

    def __enter__(self) -> Display:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def line(self, text: str) -> None:
        """A sentence that stays."""
        self._console.print(text, markup=False)

    def event(self, chain: str, event: dict[str, Any]) -> None:
        """What a chain tells: see vistune.demo.worker."""
        if event["kind"] == "line":
            self.line(f"[{chain}] {event['words']}")
        elif event["kind"] == "progress":
            self._progress(chain, event["words"], event["share"])

    def _progress(self, chain: str, words: str, share: float) -> None:
        clock = self._clocks[chain]
        left = clock.left(share)
        if self._bars is not None:
            self._bars.update(self._tasks[chain], completed=share, description=words, left=left)
        elif clock.due() or share >= 1:
            self.line(f"[{chain}] {share:4.0%}, left {left}: {words}")


class _Clock:
    """Time left of a chain from what it did since it began in this sitting."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._told = 0.0

    def left(self, share: float) -> str:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, share)
        begun, first = self._first
        if share - first < 0.01:
            return "?"
        seconds = round((now - begun) / (share - first) * (1 - share))
        return f"{seconds // 60}:{seconds % 60:02d}"

    def due(self) -> bool:
        """Whether it is time for another plain line."""
        now = time.monotonic()
        if now - self._told < _PLAIN_EVERY:
            return False
        self._told = now
        return True
