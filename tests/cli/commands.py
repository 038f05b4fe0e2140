"""Running `vistune` inside the test process."""

from __future__ import annotations

from dataclasses import dataclass

from typer.testing import CliRunner

from vistune.cli.app import app


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def vistune(*arguments: object) -> Outcome:
    """Run one command line; exceptions that would reach a person as a traceback fail the test."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def failure(*arguments: object, code: int) -> str:
    """Run a command that must fail with this exit code and one sentence; return the sentence."""
    outcome = vistune(*arguments)
    lines = [line for line in outcome.err.splitlines() if not line.startswith("warning: ")]
    assert outcome.code == code, outcome
    assert len(lines) == 1 and lines[0].startswith("error: "), outcome.err
    assert "Traceback" not in outcome.err and "vistune --debug" not in outcome.err, outcome.err
    return lines[0].removeprefix("error: ")
