"""`vistune demo` and `vistune world pretrain` hand their options on, and say how to go on after Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.commands import vistune

Calls = list[dict[str, Any]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the demo and the pretraining were called with; neither runs."""
    recorded: Calls = []
    recorder = SimpleNamespace(
        run_demo=lambda **arguments: recorded.append(arguments), run=lambda **arguments: recorded.append(arguments)
    )
    monkeypatch.setitem(sys.modules, "vistune.demo", recorder)
    monkeypatch.setitem(sys.modules, "vistune.world.pretrain", recorder)
    monkeypatch.setattr("vistune.world.pretrain", recorder, raising=False)
    monkeypatch.delenv("VISTUNE_DEMO_MINUTES", raising=False)
    return recorded


COLUMNS = {"image": "image", "question": "question", "answer": "answer"}


def test_defaults(calls: Calls) -> None:
    assert vistune("demo").code == 0
    assert calls == [{"minutes": None, "out": Path("runs/demo"), "seed": 0, "data": None, "columns": COLUMNS}]


def test_options(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISTUNE_DEMO_MINUTES", "9")
    assert vistune("demo", "--data", "photos", "--out", "o", "--seed", 4, "--question-column", "q").code == 0
    assert vistune("demo", "--minutes", 0.5).code == 0
    assert [call["minutes"] for call in calls] == [9.0, 0.5]
    assert calls[0]["data"] == Path("photos")
    assert (calls[0]["out"], calls[0]["seed"]) == (Path("o"), 4)
    assert calls[0]["columns"] == {**COLUMNS, "question": "q"}


def test_interrupt_says_how_to_go_on(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**arguments: Any) -> None:
        raise KeyboardInterrupt("stopped in stage 'warm-up' after step 3 of 9")

    monkeypatch.setattr(sys.modules["vistune.demo"], "run_demo", interrupted)
    outcome = vistune("demo")
    assert outcome.code == 130
    assert outcome.err.strip() == (
        "stopped in stage 'warm-up' after step 3 of 9; run the same command again to go on from here"
    )


def test_pretraining(calls: Calls) -> None:
    assert vistune("world", "pretrain").code == 0
    assert vistune("world", "pretrain", "--out", "weights").code == 0
    assert calls == [{"out": None}, {"out": Path("weights")}]
