"""The projector files of the original LLaVA code: ``mm_projector.bin``."""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING

import torch

from vistune.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

PROJECTOR_FILE = "mm_projector.bin"
# One Linear, or a Sequential of Linear, GELU, Linear.
_NAMES = (
    (r"(?:.*\.)?mm_projector\.(weight|bias)", "projection"),
    (r"(?:.*\.)?mm_projector\.0\.(weight|bias)", "linear_1"),
)
_SECOND = (r"(?:.*\.)?mm_projector\.2\.(weight|bias)", "linear_2")


def projector_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors by our names.

    Raises:
        CheckpointError: the file is damaged or holds something else.
    """
    path = folder / PROJECTOR_FILE
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be read ({str(error).splitlines()[0]}); fetch it again."
        ) from error
    found: dict[str, Tensor] = {}
    for name, value in content.items():
        for pattern, ours in (*_NAMES, _SECOND):
            match = re.fullmatch(pattern, name)
            if match is not None:
                found[f"connector.{ours}.{match.group(1)}"] = value
    if not found or len(found) != len(content):
        raise CheckpointError(
            f"{str(path)!r} holds {', '.join(sorted(content)[:4])}; expected LLaVA's mm_projector of one or two layers."
        )
    return found
