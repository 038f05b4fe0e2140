"""What a person names, opened without reading a weight: a folder, a hub name, or adapters with their base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vistune.checkpoint.adapters import base_folder, is_adapter
from vistune.checkpoint.config_reader import Folder
from vistune.checkpoint.locate import locate

if TYPE_CHECKING:
    from vistune.model.config import ModelConfig


def read_config(folder: str | Path) -> ModelConfig:
    """The config of a checkpoint folder (or hub name), with the same repairs as ``load_model`` makes.

    That of a folder of adapters is its base's.

    Raises:
        CheckpointError: no such folder, no checkpoint, or a kind of model that vistune does not know.
    """
    return open_folder(folder).config


def open_folder(source: str | Path) -> Folder:
    """A checkpoint folder or hub name, opened; of adapters the folder of their base.

    Raises:
        CheckpointError: there is no such folder, or the base of the adapters is not there.
    """
    path = locate(source)
    return Folder(base_folder(path) if is_adapter(path) else path)
