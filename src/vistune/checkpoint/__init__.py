"""Files to models and back: transformers folders of InstructBLIP, BLIP-2 and LLaVA, our own combinations, hub names.

from vistune.checkpoint import load_model, save_model, read_config, convert
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vistune.checkpoint.conversion import convert
    from vistune.checkpoint.load import load_model
    from vistune.checkpoint.opening import read_config
    from vistune.checkpoint.save import save_model

__all__ = ["convert", "load_model", "read_config", "save_model"]

_LAZY = {
    "convert": "vistune.checkpoint.conversion",
    "load_model": "vistune.checkpoint.load",
    "read_config": "vistune.checkpoint.opening",
    "save_model": "vistune.checkpoint.save",
}


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for: torch and transformers are heavy."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
