"""Adding features to a folder that other processes may be adding to as well."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vistune.data.features.cast import CastError
from vistune.data.features.claims import Claims
from vistune.data.features.shards import SUFFIX, DamagedShardError, Shard, write_shard
from vistune.data.features.spec import FeatureSpec
from vistune.data.features.store import SPEC_FILE
from vistune.data.storage import written_whole

logger = logging.getLogger(__name__)


class ShardWriter:
    """The features of one spec in a folder: which are there, and new ones in shards of this process's own.

    A shard appears under its name when it is whole and on the disk; what a killed process was writing is removed by
    the next one. Damaged shards are deleted, so that their pictures are encoded again.

    Args:
        root: folder of all features. shard_bytes, shard_seconds: a shard is written when it is as large, or when its
            first features are as old: what a killed process loses.
        verify: read every feature that is there, not only the indexes.

    Raises:
        StorageError: the folder cannot be written.
    """

    def __init__(
        self,
        root: Path,
        spec: FeatureSpec,
        claims: Claims,
        *,
        shard_bytes: int,
        shard_seconds: float,
        verify: bool = False,
    ) -> None:
        self.folder = root / spec.fingerprint
        self.cast_error = CastError()
        self.shards = 0
        self.bytes = 0
        self._spec, self._claims, self._verify = spec, claims, verify
        self._shard_bytes, self._shard_seconds = shard_bytes, shard_seconds
        self._name = uuid.uuid4().hex[:12]
        self._read: set[str] = set()
        self._stored: set[bytes] = set()
        self._keys: list[bytes] = []
        self._parts: list[Tensor] = []
        self._error = CastError()
        self._since = 0.0
        self._prepare_folder()
        self.refresh()
        self._verify = False

    def _prepare_folder(self) -> None:
        path = self.folder / SPEC_FILE
        if not path.exists():
            with written_whole(path) as part:
                part.write_text(json.dumps(self._spec.facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        if not self._claims.usable:
            return
        for part in self.folder.glob(f".*{SUFFIX}.*.part"):
            shard = part.name[1 : part.name.index(SUFFIX) + len(SUFFIX)]
            if self._claims.take(shard):
                part.unlink(missing_ok=True)
                self._claims.release(shard)

    def refresh(self) -> None:
        """Take note of the shards that others have written since."""
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path.name in self._read:
                continue
            self._read.add(path.name)
            try:
                shard = Shard(path, self._spec)
                if self._verify:
                    shard.verify()
            except DamagedShardError as error:
                logger.warning("%s Its pictures are encoded again.", error)
                path.unlink(missing_ok=True)
                continue
            self._stored.update(key.tobytes() for key in shard.keys)
            self.cast_error = self.cast_error.worst(shard.cast_error)

    def __contains__(self, key: bytes) -> bool:
        return key in self._stored

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def due(self) -> bool:
        """Whether it is time to write what was added."""
        if not self._keys:
            return False
        large = len(self._keys) * self._spec.row_bytes >= self._shard_bytes
        return large or time.monotonic() - self._since > self._shard_seconds

    def add(self, keys: Sequence[bytes], values: Tensor, error: CastError) -> None:
        """Add features [n, P, D] of pictures that are not there yet."""
        if not self._keys:
            self._since = time.monotonic()
        self._keys.extend(keys)
        self._stored.update(keys)
        self._parts.append(values)
        self._error = self._error.worst(error)

    def flush(self) -> None:
        """Write what was added, if anything.

        Raises:
            StorageError: the disk is full or does not allow it; the shards that are there stay whole.
        """
        if not self._keys:
            return
        path = self.folder / f"features-{self._name}-{self.shards:05d}{SUFFIX}"
        self._claims.take(path.name)
        write_shard(path, self._spec, self._keys, torch.cat(self._parts), self._error)
        self._claims.release(path.name)
        self._read.add(path.name)
        self.shards += 1
        self.bytes += path.stat().st_size
        self.cast_error = self.cast_error.worst(self._error)
        self._keys, self._parts, self._error = [], [], CastError()
