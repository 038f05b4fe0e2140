"""Every way to fail ends in one sentence and the right exit code."""

from __future__ import annotations

import errno
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import failure, vistune

from vistune.cli.failures import sentence
from vistune.errors import CheckpointError, ImageError, InputError, StorageError, VistuneError, is_disk_full


@pytest.fixture
def convert_raises(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let `vistune convert` fail with a given exception."""
    from vistune import checkpoint

    def arrange(error: BaseException) -> None:
        def convert(source: str, target: Path) -> None:
            raise error

        monkeypatch.setattr(checkpoint, "convert", convert, raising=False)

    return arrange


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (CheckpointError("No config.json in 'a'."), 1, "No config.json in 'a'."),
        (ImageError("There is no image\n'x.png'."), 1, "There is no image 'x.png'."),
        (InputError("Unknown dtype 'f8'."), 2, "Unknown dtype 'f8'."),
        (StorageError("No room in 'b'."), 1, "No room in 'b'."),
        (OSError(errno.ENOSPC, "No space left on device", "b/x"), 1, "The disk is full while writing b/x"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 1, "The disk is full;"),
        (PermissionError(errno.EACCES, "Permission denied", "b"), 1, "Permission denied: b"),
        (MemoryError(), 1, "Not enough memory"),
    ],
)
def test_expected_errors(convert_raises: Any, error: Exception, code: int, expected: str) -> None:
    convert_raises(error)
    assert failure("convert", "a", "b", code=code).startswith(expected)


def test_bug_is_named_with_the_way_to_its_traceback(convert_raises: Any) -> None:
    convert_raises(KeyError("hidden_size"))
    outcome = vistune("convert", "a", "b")
    assert outcome.code == 1
    assert outcome.err.startswith("error: KeyError: 'hidden_size' (run `vistune --debug ...`")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("how", ["option", "variable"])
def test_debug_shows_the_traceback(convert_raises: Any, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    convert_raises(KeyError("hidden_size"))
    if how == "variable":
        monkeypatch.setenv("VISTUNE_DEBUG", "1")
    outcome = vistune(*(["--debug"] if how == "option" else []), "convert", "a", "b")
    assert outcome.code == 1
    assert "Traceback" in outcome.err and "in convert" in outcome.err


def test_interrupt_of_a_plain_command(convert_raises: Any) -> None:
    convert_raises(KeyboardInterrupt())
    outcome = vistune("convert", "a", "b")
    assert (outcome.code, outcome.err.strip()) == (130, "stopped")


def test_library_warnings_reach_stderr_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from vistune import checkpoint

    def convert(source: str, target: Path) -> None:
        logging.getLogger("vistune.checkpoint").warning("skipped %d files", 3)

    monkeypatch.setattr(checkpoint, "convert", convert, raising=False)
    for _ in range(2):
        outcome = vistune("convert", "a", "b")
        assert outcome.err == "warning: skipped 3 files\n"
        assert outcome.out == "written to b\n"


def test_disk_full_is_found_in_the_cause() -> None:
    error = RuntimeError("writing failed")
    assert not is_disk_full(error)
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_full(error)
    assert sentence(error).startswith("The disk is full")


@pytest.mark.parametrize("error_class", [CheckpointError, ImageError, InputError, StorageError])
def test_one_base_class(error_class: type[Exception]) -> None:
    assert issubclass(error_class, VistuneError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask"],
        ["ask", "model"],
        ["ask", "model", "prompt", "--device"],
        ["convert", "a"],
        ["unknown"],
        ["demo", "--minutes", "0"],
        ["demo", "--minutes", "soon"],
        ["world"],
        [],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    outcome = vistune(*arguments)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("command", [["demo"], ["ask"], ["convert"], ["world", "pretrain"]])
def test_help_has_an_example(command: list[str]) -> None:
    outcome = vistune(*command, "--help")
    assert outcome.code == 0
    assert "Example" in outcome.out and f"vistune {' '.join(command)}" in outcome.out


def test_version() -> None:
    from vistune import __version__

    assert vistune("--version").out == f"vistune {__version__}\n"
