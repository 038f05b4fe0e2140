"""One file of features: written whole, read by memory map, every row with a checksum."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vistune.data.features.cast import CastError
from vistune.data.features.keys import DIGEST
from vistune.data.features.spec import FeatureSpec
from vistune.data.storage import storage_error, written_whole
from vistune.errors import DataError

SUFFIX = ".safetensors"


class DamagedShardError(DataError):
    """A file of features does not hold what was written to it."""


def write_shard(path: Path, spec: FeatureSpec, keys: Sequence[bytes], values: Tensor, error: CastError) -> None:
    """Write features as a safetensors file: ``values`` [n, P, D], ``keys`` [n, 16] and ``checksums`` (CRC-32) [n].

    Args:
        error: of the cast, kept beside them.

    Raises:
        StorageError: the disk is full or does not allow it; nothing is left behind.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    values = values.contiguous()
    table = torch.from_numpy(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, DIGEST).copy())
    checksums = torch.tensor([_checksum(row) for row in values], dtype=torch.int64)
    told = json.dumps(asdict(error))
    index = _index_hash(spec, table.numpy(), checksums.numpy(), told)
    metadata = {"fingerprint": spec.fingerprint, "index": index, "cast_error": told}
    with written_whole(path) as part:
        try:
            save_file({"values": values, "keys": table, "checksums": checksums}, part, metadata)
        except (OSError, SafetensorError) as problem:
            raise storage_error(path, problem) from problem


class Shard:
    """Features in a file, mapped into memory; a row is checked when it is first read.

    Args:
        path: of the file. spec: what the features must be.

    Raises:
        DamagedShardError: the file is cut off, its index was changed, or it holds other features.
    """

    def __init__(self, path: Path, spec: FeatureSpec) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                self.keys = file.get_tensor("keys").numpy().copy()
                self._checksums = file.get_tensor("checksums").numpy().copy()
                self._shape = tuple(file.get_slice("values").get_shape())
                dtype = file.get_slice("values").get_dtype()
        except (SafetensorError, OSError, KeyError) as error:
            raise DamagedShardError(f"{_start(path)} is cut off or damaged ({error}); {_REPAIR}.") from error
        index = _index_hash(spec, self.keys, self._checksums, metadata.get("cast_error", ""))
        expected = (len(self.keys), *spec.shape)
        stored = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}.get(dtype)
        if metadata.get("index") != index or self._shape != expected or stored != spec.dtype:
            raise DamagedShardError(f"{_start(path)} is damaged: its index is not the one written; {_REPAIR}.")
        self.cast_error = CastError(**json.loads(metadata["cast_error"]))
        self._checked = bytearray(len(self.keys))

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def _values(self) -> Tensor:
        from safetensors import safe_open

        # The mapping outlives the handle, and the file's name.
        with safe_open(self.path, "pt") as file:
            values: Tensor = file.get_tensor("values")
        return values

    def row(self, index: int) -> Tensor:
        """One picture's features [P, D], a view of the mapping: not to be changed.

        Raises:
            DamagedShardError: they are not what was written.
        """
        values = self._values[index]
        if not self._checked[index]:
            if _checksum(values) != int(self._checksums[index]):
                raise DamagedShardError(
                    f"{_start(self.path)} is damaged: the features of picture {index + 1} of {len(self)} are not those "
                    f"written; {_REPAIR}."
                )
            self._checked[index] = 1
        return values

    def verify(self) -> None:
        """Read every row.

        Raises:
            DamagedShardError: the first that is not what was written.
        """
        for index in range(len(self)):
            self.row(index)


_REPAIR = "delete it and build the features again, which encodes its pictures anew"


def _start(path: Path) -> str:
    return f"The file of features {str(path)!r}"


def _checksum(row: Tensor) -> int:
    return zlib.crc32(row.reshape(-1).view(torch.uint8).numpy().data)


def _index_hash(spec: FeatureSpec, keys: np.ndarray, checksums: np.ndarray, told: str) -> str:
    digest = hashlib.blake2b((spec.fingerprint + told).encode(), digest_size=DIGEST)
    digest.update(np.ascontiguousarray(keys).tobytes())
    digest.update(np.ascontiguousarray(checksums).tobytes())
    return digest.hexdigest()
