"""From a checked recipe to a finished model: its parts, its data, its stages one after the other, its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vistune.train.run.run import RunSummary, run_recipe

__all__ = ["RunSummary", "run_recipe"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: torch is heavy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vistune.train.run import run

    return getattr(run, name)
