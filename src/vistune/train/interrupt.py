"""Stopping on request: Ctrl-C and SIGTERM set a flag, the loop saves and leaves."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A run was stopped on request, after saving; running the same again goes on from there."""


class StopRequest:
    """Context in which SIGINT and SIGTERM are remembered instead of ending the process at once.

    A second SIGINT ends it the usual way. Call the object to ask whether a stop was requested. Outside of the main
    thread signals cannot be caught; then it never stops by itself.

    Args:
        notice: what is told on stderr when a stop is requested, as it may take a while.
    """

    def __init__(self, notice: str = "") -> None:
        self._notice = notice
        self._requested = False
        self._previous: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether somebody asked to stop."""
        return self._requested

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self._notice and not self._requested:
            # What prints may be in the middle of a line; this does not wait for it.
            with suppress(OSError):
                os.write(2, f"\n{self._notice}\n".encode())
        self._requested = True
