"""Reading features of a folder by memory map, in training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vistune.data.features.cast import CastError
from vistune.data.features.keys import PictureKeys, describe
from vistune.data.features.names import NameTable
from vistune.data.features.shards import SUFFIX, Shard
from vistune.data.features.spec import FeatureSpec, differences, feature_spec
from vistune.data.features.tables import DigestTable
from vistune.errors import DataError
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.processor import Processor
    from vistune.data.transforms import ImageTransform

SPEC_FILE = "features.json"
_PREFERRED = (torch.bfloat16, torch.float16, torch.float32)
_MOST_DIFFERENCES = 3


class FeatureStore:
    """Features of the pictures of a folder, as :func:`vistune.data.features.build_features` writes them.

    What stands in the folder when it is opened is read; features added later are seen by a new store. It may be
    pickled: the copy reads the same files under the same row numbers.

    Args:
        root: the folder; features of other encoders in it are left alone.
        spec: what the features must be.

    Raises:
        DataError: there are none, with what is different about those that are there; or a file of them is damaged.
    """

    pixels = False

    def __init__(self, root: Path, spec: FeatureSpec) -> None:
        folder = root / spec.fingerprint
        paths = sorted(folder.glob(f"*{SUFFIX}"))
        if not paths:
            raise DataError(_nothing_there(root, spec))
        self._load(root, spec, paths)

    def _load(self, root: Path, spec: FeatureSpec, paths: list[Path]) -> None:
        self._root, self.spec = root, spec
        self._shards = [Shard(path, spec) for path in paths]
        self._starts = np.cumsum([0, *(len(shard) for shard in self._shards)])
        self._table = DigestTable(np.concatenate([shard.keys for shard in self._shards]))
        self._keys = PictureKeys(NameTable(root))

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self._root, "spec": self.spec, "paths": [shard.path for shard in self._shards]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._load(state["root"], state["spec"], state["paths"])

    def __len__(self) -> int:
        """Number of pictures, those that two writers both encoded counted twice."""
        return int(self._starts[-1])

    @property
    def before_norm(self) -> bool:
        """Whether the features are those before the encoder's last norm, which can then be trained."""
        return self.spec.before_norm

    @property
    def cast_error(self) -> CastError:
        """The worst error of storing them in fewer bits."""
        return reduce(CastError.worst, (shard.cast_error for shard in self._shards), CastError())

    def __contains__(self, image: ImageRef) -> bool:
        return all(self._table.find(key) >= 0 for key in self._keys.of(image))

    def rows_of(self, images: Sequence[ImageRef]) -> list[int]:
        """Rows of pictures, several for a video's frames.

        Raises:
            DataError: a picture has no features here, or its file is not the one that was encoded. ImageError: no file.
        """
        rows = []
        for image in images:
            for key in self._keys.of(image):
                row = self._table.find(key)
                if row < 0:
                    raise DataError(
                        f"There are no features of {describe(image)} among the {len(self):,} in {str(self._root)!r}: "
                        "it is new or was changed; build the features again, which adds what is missing."
                    )
                rows.append(row)
        return rows

    def read(self, rows: Sequence[int]) -> Tensor:
        """Features [n, P, D] of rows, copied out of the mapping.

        Raises:
            DamagedShardError: a DataError: the features are not those that were written.
        """
        values = torch.empty(len(rows), *self.spec.shape, dtype=self.spec.dtype)
        for place, row in enumerate(rows):
            number = int(np.searchsorted(self._starts, row, side="right")) - 1
            values[place] = self._shards[number].row(row - int(self._starts[number]))
        return values

    def verify(self) -> None:
        """Read all features once.

        Raises:
            DamagedShardError: the first that are not those that were written.
        """
        for shard in self._shards:
            shard.verify()


def open_features(
    model: VisionLanguageModel,
    processor: Processor,
    root: Path,
    *,
    dtype: torch.dtype | None = None,
    before_norm: bool | None = None,
    transform: ImageTransform | None = None,
) -> FeatureStore:
    """The features of a folder that this model's encoder made from pictures prepared by this processor.

    Args:
        dtype: stored; None takes what is there, bfloat16 before float16 before float32.
        before_norm, transform: see :func:`feature_spec`.

    Raises:
        DataError: see :class:`FeatureStore`.
    """
    first = dtype or _PREFERRED[0]
    spec = feature_spec(model, processor, first, before_norm, transform)
    choices = [spec] if dtype is not None else [spec.stored_as(other) for other in _PREFERRED]
    there = [choice for choice in choices if any((root / choice.fingerprint).glob(f"*{SUFFIX}"))]
    return FeatureStore(root, there[0] if there else spec)


def _nothing_there(root: Path, spec: FeatureSpec) -> str:
    if not root.is_dir():
        return f"There is no folder of features {str(root)!r}; build them first, or correct the path."
    others = []
    for path in sorted(root.glob(f"*/{SPEC_FILE}")):
        if any(path.parent.glob(f"*{SUFFIX}")):
            others.append(list(differences(spec.facts, json.loads(path.read_text(encoding="utf-8")))))
    if not others:
        return f"The folder {str(root)!r} holds no features; build them first."
    nearest = min(others, key=len)
    more = f" and {len(nearest) - _MOST_DIFFERENCES} more" if len(nearest) > _MOST_DIFFERENCES else ""
    return (
        f"The folder {str(root)!r} holds no features of this encoder and preparation; those there differ in "
        f"{', '.join(nearest[:_MOST_DIFFERENCES])}{more}: build the features again."
    )
