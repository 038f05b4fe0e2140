"""How far a run is: a line now and then, or one that is written over on a terminal."""

from __future__ import annotations

import sys
import time

from vistune.data.counting import count_of

_SECONDS = 10.0


class Progress:
    """Rows that were answered, of one benchmark, on stderr.

    Args:
        quiet: say nothing (processes beside the main one).
    """

    def __init__(self, name: str, total: int, quiet: bool = False) -> None:
        self._name = name
        self._total = total
        self._quiet = quiet
        self._start = self._said = time.monotonic()
        self._done = 0
        self._terminal = sys.stderr.isatty()

    def add(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        now = time.monotonic()
        if self._quiet or (not self._terminal and now - self._said < _SECONDS):
            return
        self._said = now
        rate = self._done / max(now - self._start, 1e-9)
        left = (self._total - self._done) / max(rate, 1e-9)
        line = f"{self._name}: {self._done:,} of {count_of(self._total, 'row')}, {rate:.1f} a second, "
        line += f"{left / 60:.0f} min left"
        print(
            f"\r{line}   " if self._terminal else line, end="" if self._terminal else "\n", file=sys.stderr, flush=True
        )

    def close(self) -> None:
        """End the line on a terminal."""
        if self._terminal and not self._quiet and self._done:
            print(file=sys.stderr)
