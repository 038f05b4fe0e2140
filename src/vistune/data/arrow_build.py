"""Any source written as sharded Arrow, which opens at once however long it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from vistune.data.arrow import BUILD_FILE, FORMAT, ArrowExamples
from vistune.data.arrow_schema import cells, embedded_bytes, schema
from vistune.data.bad_rows import RowLog
from vistune.data.example import Example
from vistune.data.storage import folder_written_whole

LEFT_OUT_FILE = "left_out.jsonl"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_BATCH_ROWS, _BATCH_BYTES = 8192, 2**26
_SHARD_BYTES = 2**31


def build_arrow(
    examples: Iterable[Example],
    folder: Path,
    *,
    root: Path | None = None,
    embed_images: bool = False,
    source: Mapping[str, Any] | None = None,
    log: RowLog | None = None,
    shard_rows: int = 1_000_000,
) -> ArrowExamples:
    """Write examples into ``folder`` as data-00000-of-0000N.arrow and build.json, whole or not at all.

    The shards are Arrow IPC streams, as `datasets` writes them; ``Dataset.from_file`` opens them too.

    Args:
        root: paths of pictures below it are kept relative to it; None: the working folder.
        embed_images: keep the bytes of pictures and videos instead of their paths. PIL images are always kept, as PNG.
        source: what the set was made from, written into build.json as it is.
        log: of the rows left out while the examples were read; listed in left_out.jsonl, if there are any.
        shard_rows: most rows of a shard; one is also ended at 2 GB.

    Raises:
        StorageError: a full disk, or a folder that cannot be written or holds something else. What stood there stays.
    """
    root = Path(os.path.abspath(root or Path.cwd()))
    with folder_written_whole(folder, BUILD_FILE) as part:
        writer = _Writer(part, shard_rows)
        for example in examples:
            writer.add(cells(example, root, embed_images))
        shards = writer.finish()
        if log is not None and log.bad:
            log.write(part / LEFT_OUT_FILE)
        about = {
            "format": FORMAT,
            "rows": sum(shard["rows"] for shard in shards),
            "fingerprint": writer.digest.hexdigest(),
            "root": str(root),
            "embedded": embed_images,
            "source": dict(source or {}),
            "left_out": log.counts() if log is not None else {},
            "shards": shards,
        }
        with (part / BUILD_FILE).open("w", encoding="utf-8") as file:
            json.dump(about, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
    return ArrowExamples(folder)


class _Writer:
    """Gathers rows to record batches, and batches to shards."""

    def __init__(self, folder: Path, shard_rows: int) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self._folder = folder
        self._shard_rows = shard_rows
        self._schema = schema()
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._shards: list[dict[str, Any]] = []
        self._file: IO[bytes] | None = None

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self._bytes += embedded_bytes(row)
        room = self._shard_rows - (self._shards[-1]["rows"] if self._file else 0)
        if len(self._rows) >= min(_BATCH_ROWS, room) or self._bytes >= _BATCH_BYTES:
            self._flush()

    def finish(self) -> list[dict[str, Any]]:
        """-> the shards, under their final names"""
        # A set without rows has a shard too, so that other programs can open it.
        if self._rows or not self._shards:
            self._flush()
        self._end_shard()
        for number, shard in enumerate(self._shards):
            name = f"data-{number:05d}-of-{len(self._shards):05d}.arrow"
            (self._folder / shard["file"]).rename(self._folder / name)
            shard["file"] = name
        return self._shards

    def _flush(self) -> None:
        import pyarrow as pa

        columns = [pa.array([row[field.name] for row in self._rows], field.type) for field in self._schema]
        batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        file = self._file or self._begin_shard()
        shard = self._shards[-1]
        if self._rows:
            message = batch.serialize()
            shard["batches"].append([len(self._rows), file.tell(), message.size])
            file.write(message)
            self.digest.update(message)
        shard["rows"] += len(self._rows)
        self._rows, self._bytes = [], 0
        if shard["rows"] >= self._shard_rows or file.tell() >= _SHARD_BYTES:
            self._end_shard()

    def _begin_shard(self) -> IO[bytes]:
        name = f"data-{len(self._shards):05d}.arrow"
        self._shards.append({"file": name, "rows": 0, "bytes": 0, "batches": []})
        self._file = (self._folder / name).open("wb")
        self._file.write(self._schema.serialize())
        return self._file

    def _end_shard(self) -> None:
        if self._file is None:
            return
        with self._file as file:
            file.write(_END_OF_STREAM)
            file.flush()
            os.fsync(file.fileno())
            self._shards[-1]["bytes"] = file.tell()
        self._file = None
