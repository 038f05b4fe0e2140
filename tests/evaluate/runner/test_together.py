"""An error that several processes have alike is told by the first of them; all of them end. Through torchrun itself:
tests/cli/test_eval.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.evaluate.runner.test_matching import Side

from vistune.errors import DataError, InputError
from vistune.evaluate.runner.together import alike, shares, started_together
from vistune.train.parallel.processes import Processes


def outcomes(*does: Any, together: Callable[..., Any] = alike) -> list[Any]:
    """What two processes come to: a value or an exception."""
    table, meeting = [None, None], threading.Barrier(2, timeout=60)

    def run(rank: int) -> Any:
        side: Any = Side(rank, table, meeting)

        def call() -> Any:
            if isinstance(does[rank], Exception):
                raise does[rank]
            return does[rank]

        try:
            return together(side, call)
        except (DataError, InputError, SystemExit) as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


def test_values_go_through() -> None:
    assert outcomes(3, 4) == [3, 4]
    assert alike(Processes.alone(), lambda: 5) == 5
    with pytest.raises(DataError, match="gone"):
        alike(Processes.alone(), lambda: (_ for _ in ()).throw(DataError("gone")))


def test_one_tells_and_all_end() -> None:
    both = outcomes(DataError("gone"), DataError("gone"))
    assert isinstance(both[0], DataError) and isinstance(both[1], SystemExit) and both[1].code == 1
    late = outcomes(3, InputError("of the second one"))
    assert isinstance(late[0], SystemExit) and isinstance(late[1], InputError)
    each = outcomes(DataError("this"), InputError("that"))
    assert [str(error) for error in each] == ["this", "that"]


def test_shares_are_handed_to_all() -> None:
    assert outcomes([1, 2], [], together=shares) == [[[1, 2], []]] * 2
    first, second = outcomes([1], DataError("gone"), together=shares)
    assert isinstance(first, SystemExit) and isinstance(second, DataError)
    # Of several errors one is told: the shares have different ones.
    first, second = outcomes(DataError("this"), InputError("that"), together=shares)
    assert str(first) == "this" and isinstance(second, SystemExit)


def test_torchrun_is_known_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not started_together()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not started_together()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert started_together()
