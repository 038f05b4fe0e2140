"""vistune: visual instruction tuning of InstructBLIP and LLaVA models, from training to answers.

    import vistune
    predictor = vistune.load("path-or-hub-name")
    predictor.generate(["photo.jpg"], ["What is in the picture?"])

Nothing heavy is imported here: torch and transformers come in with the first use of `load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vistune.errors import VistuneError

if TYPE_CHECKING:
    from vistune.infer.predictor import Predictor, load

__version__ = "0.1.0"

__all__ = ["Predictor", "VistuneError", "__version__", "load"]

_LAZY = {"Predictor": "vistune.infer.predictor", "load": "vistune.infer.predictor"}


def __getattr__(name: str) -> Any:
    """Import `load` and `Predictor` when they are first asked for, and keep them."""
    if name not in _LAZY:
        raise AttributeError(f"module 'vistune' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the lazy names too."""
    return sorted({*globals(), *_LAZY})
