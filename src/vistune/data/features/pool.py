"""Opening and preparing pictures in threads, a little ahead of the encoder."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers() -> int:
    """Threads that open pictures: one a core this process may use, at most 16."""
    return min(16, len(os.sched_getaffinity(0)))


def ordered_map(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[tuple[Item, Result]]:
    """Each item and what ``work`` makes of it, in order; at most ``ahead`` are begun before they are asked for."""
    source = iter(items)
    begun: deque[tuple[Item, Future[Result]]] = deque()
    try:
        while True:
            for item in islice(source, ahead - len(begun)):
                begun.append((item, pool.submit(work, item)))
            if not begun:
                return
            item, future = begun.popleft()
            yield item, future.result()
    finally:
        for _, future in begun:
            future.cancel()
