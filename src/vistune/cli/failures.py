"""How a command fails: one sentence on stderr; exit code 1 (failed), 2 (wrong usage) or 130 (Ctrl-C)."""

from __future__ import annotations

import errno
import logging
import os
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from vistune.errors import InputError, RecipeError, VistuneError, is_disk_full

RESUME_HINT = "vistune.resume"
"""Key of `Context.meta` under which a resumable command says how to go on after Ctrl-C."""


class FriendlyGroup(TyperGroup):
    """A group of commands that turns exceptions into one sentence and an exit code.

    Usage errors are left to Typer (exit code 2). With `--debug` or `VISTUNE_DEBUG=1` the traceback is printed first.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; raise `typer.Exit` with the right code where it fails."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            hint = ctx.meta.get(RESUME_HINT)
            where = str(stop) or "stopped"
            # Ctrl-C reaches all processes of torchrun; one of them tells.
            if os.environ.get("RANK", "0") == "0":
                typer.echo(f"\n{where}; {hint}" if hint else f"\n{where}", err=True)
            raise typer.Exit(130) from None
        except Exception as error:
            if _belongs_to_typer(error):
                raise
            if ctx.meta.get("vistune.debug"):
                typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
            typer.echo(f"error: {sentence(error)}", err=True)
            raise typer.Exit(exit_code(error)) from None


def sentence(error: Exception) -> str:
    """Say in one line what went wrong: our own errors in their words, accidents of the machine, else the exception."""
    if isinstance(error, VistuneError):
        return _one_line(error)
    if is_disk_full(error):
        place = f" while writing {error.filename}" if isinstance(error, OSError) and error.filename else ""
        return f"The disk is full{place}; free some space and run the command again."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "Not enough memory; try a smaller model, dtype bfloat16, or fewer things at once."
    return f"{type(error).__name__}: {_one_line(error)} (run `vistune --debug ...` to see where it happened)"


def exit_code(error: Exception) -> int:
    """Return 2 for arguments and settings that cannot work, else 1."""
    return 2 if isinstance(error, InputError | RecipeError) else 1


def show_warnings() -> None:
    """Print the library's warnings (a prompt that is cut, a file that is skipped) on stderr, once set up."""
    logger = logging.getLogger("vistune")
    if not any(isinstance(handler, _EchoHandler) for handler in logger.handlers):
        logger.addHandler(_EchoHandler(logging.WARNING))
    logger.propagate = False


class _EchoHandler(logging.Handler):
    """Writes to whatever stderr is at that moment, so that it works under a test runner too."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


def _belongs_to_typer(error: Exception) -> bool:
    """Usage errors, exits and aborts (Typer carries its own copy of click in newer versions), and a closed pipe."""
    module = type(error).__module__
    return module.startswith(("typer", "click")) or (isinstance(error, OSError) and error.errno == errno.EPIPE)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
