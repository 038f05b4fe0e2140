"""A stage's state on disk: weights of what trains, optimiser, step. Written beside, then renamed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vistune.errors import ResumeError, StorageError, is_disk_full
from vistune.model.vlm import VisionLanguageModel
from vistune.train.config import StageConfig

STATE_FILE = "state.pt"
_FORMAT = 1


def save_state(
    folder: Path,
    stage: StageConfig,
    model: VisionLanguageModel,
    optimiser: torch.optim.Optimizer | None,
    step: int,
    data: str,
) -> None:
    """Write the state after ``step`` steps; what stood there before is whole until the new one is.

    Args:
        optimiser: None once the stage is finished: only weights are kept then.
        data: fingerprint of what is trained on; going on with other data is refused.

    Raises:
        StorageError: the disk is full or does not allow it.
    """
    content = {
        "format": _FORMAT,
        "stage": stage.model_dump_json(),
        "data": data,
        "step": step,
        "weights": {name: p.detach() for name, p in model.named_parameters() if p.requires_grad},
        "optimiser": None if optimiser is None else optimiser.state_dict(),
    }
    path = folder / STATE_FILE
    temporary = folder / f"{STATE_FILE}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        # torch.save hides the system's error behind one of its own.
        full = is_disk_full(error)
        if full or isinstance(error, OSError):
            reason = "the disk is full" if full else str(error)
            raise StorageError(
                f"Cannot save the training state {str(path)!r} ({reason}); make room or choose another folder, the "
                "state saved before is whole."
            ) from error
        raise


def load_state(folder: Path, stage: StageConfig, data: str) -> dict[str, Any] | None:
    """The saved state, or None if nothing was saved yet.

    Raises:
        ResumeError: it is damaged, or of a stage with other settings or data.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return None
    content = _read(path, folder)
    if content.get("format") != _FORMAT or content["stage"] != stage.model_dump_json() or content["data"] != data:
        raise ResumeError(
            f"The training state {str(path)!r} is of a stage with other settings or other data; use the settings it "
            "was begun with, or another folder."
        )
    return content


def restore_weights(model: VisionLanguageModel, weights: Mapping[str, Tensor]) -> None:
    """Put saved weights in place.

    Raises:
        ResumeError: a name or shape does not fit this model.
    """
    parameters = dict(model.named_parameters())
    for name, value in weights.items():
        if name not in parameters or parameters[name].shape != value.shape:
            raise ResumeError(f"The saved weight {name!r} of shape {tuple(value.shape)} does not fit this model.")
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(value)


def _read(path: Path, folder: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise ResumeError(
            f"The training state {str(path)!r} is damaged ({type(error).__name__}); delete {str(folder)!r} to begin "
            "this stage again."
        ) from error
    return content


def is_finished(folder: Path) -> bool:
    """Whether the stage in this folder came to its last step (its state has no optimiser any more)."""
    path = folder / STATE_FILE
    return path.exists() and _read(path, folder)["optimiser"] is None
