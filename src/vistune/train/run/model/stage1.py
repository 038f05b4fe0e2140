"""What the first stage of BLIP-2 saves, opened again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from vistune.data.pairs import PairProcessor
    from vistune.model.stage1 import Stage1Model


@dataclass(frozen=True)
class Stage1Folder:
    """A first stage with its processor."""

    model: Stage1Model
    processor: PairProcessor


@lru_cache(maxsize=2)
def open_stage1(folder: Path) -> Stage1Folder:
    """The first stage in a folder; its encoder and its Q-Former are usually asked for one after the other.

    Raises:
        CheckpointError: damaged files.
    """
    from vistune.checkpoint.stage1 import load_stage1

    return Stage1Folder(*load_stage1(folder))
