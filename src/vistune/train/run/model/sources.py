"""What a recipe's ``from`` names: a folder or hub name, a run of vistune, or a part of the picture world."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.checkpoint.adapters import is_adapter
from vistune.checkpoint.locate import locate, read_json
from vistune.errors import CheckpointError
from vistune.train.recipe.parts import WORLD
from vistune.train.run.folder import MODEL, is_run
from vistune.world.assets import asset_dir

if TYPE_CHECKING:
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel

_WHOLE = ("instructblip", "blip-2", "llava", "vistune")


class Opened:
    """One source; what is read of it is read once.

    Args:
        name: as the recipe has it.

    Raises:
        CheckpointError: there is no such folder or hub name, or a run that is not finished.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.world = name.startswith(WORLD)
        self.folder = asset_dir(name.removeprefix(WORLD)) if self.world else checkpoint_folder(name)

    @property
    def is_whole(self) -> bool:
        """Whether it is a checkpoint of encoder, connector and language model."""
        return is_adapter(self.folder) or self.kind in _WHOLE

    @property
    def is_stage1(self) -> bool:
        """Whether it is what BLIP-2's first stage saves: an encoder and a Q-Former with its heads."""
        from vistune.checkpoint.stage1 import is_stage1

        return is_stage1(self.folder)

    @cached_property
    def kind(self) -> str:
        """``model_type`` of config.json; "" where there is none."""
        return str(self.config.get("model_type", ""))

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json; empty where there is none."""
        path = self.folder / "config.json"
        return read_json(path) if path.is_file() else {}

    @cached_property
    def whole(self) -> tuple[VisionLanguageModel, Processor]:
        """The whole checkpoint, its weights as they are stored: mappings of the files until they are changed."""
        from vistune.checkpoint import load_model

        return load_model(self.folder, dtype="stored")


class Sources:
    """The sources of one model, each opened once."""

    def __init__(self) -> None:
        self._opened: dict[str, Opened] = {}

    def __getitem__(self, name: str) -> Opened:
        if name not in self._opened:
            self._opened[name] = Opened(name)
        return self._opened[name]


def checkpoint_folder(name: str) -> Path:
    """The folder of a checkpoint: that of a run is its final model.

    Raises:
        CheckpointError: there is none, or the run is not finished.
    """
    path = Path(name).expanduser()
    if not is_run(path):
        return locate(name)
    if not (path / MODEL).is_dir():
        raise CheckpointError(
            f"The run {name!r} has no final model yet; let `vistune train` finish it, with --resume if it was stopped."
        )
    return path / MODEL
