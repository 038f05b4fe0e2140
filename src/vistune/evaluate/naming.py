"""What a model is called where there is no room for its whole path."""

from __future__ import annotations

from pathlib import Path

# `vistune train` puts the final model here.
_WITHIN_A_RUN = "model"


def short_name(model: str) -> str:
    """The last part of a folder or of a name on the hub; of runs/small/model, which a run leaves, "small"."""
    parts = [part for part in Path(model).parts if part not in ("/", ".", "..")]
    if len(parts) > 1 and parts[-1] == _WITHIN_A_RUN:
        return parts[-2]
    return parts[-1] if parts else model
