"""Options that change nothing where they were given: a person should not believe that they did."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def refuse_without_effect(ctx: typer.Context, names: Sequence[str], why: str) -> None:
    """None of these options stands on the command line; those from the environment are let be.

    Args:
        names: of the function's arguments. why: they are without effect, as in "with --predictions no model is loaded".

    Raises:
        InputError: some do, all of them named.
    """
    from vistune.errors import InputError

    shown = {param.name: param.opts[0] for param in ctx.command.params}
    given = [str(shown[name]) for name in names if _is_typed(ctx, name)]
    if given:
        listed = " and ".join(filter(None, [", ".join(given[:-1]), given[-1]]))
        raise InputError(
            f"{listed} {'has' if len(given) == 1 else 'have'} no effect here: {why}; leave {_it(given)} out."
        )


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _it(given: Sequence[str]) -> str:
    return "it" if len(given) == 1 else "them"
