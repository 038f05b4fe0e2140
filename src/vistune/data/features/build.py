"""Encoding pictures into a folder: sharded, resumable after any death, safe with several processes at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vistune.data.features.blocks import BlockEncoder
from vistune.data.features.cast import CastError
from vistune.data.features.claims import Claims
from vistune.data.features.encode import feature_function
from vistune.data.features.names import NameTable
from vistune.data.features.pool import default_workers
from vistune.data.features.spec import feature_spec
from vistune.data.features.writer import ShardWriter
from vistune.data.images import open_images
from vistune.data.storage import storage_error
from vistune.data.transforms import PixelMaker
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.processor import Processor
    from vistune.data.transforms import ImageTransform
    from vistune.errors import ImageError

SHARD_BYTES = 256 * 2**20
SHARD_SECONDS = 120.0
_CLAIMS_FILE = "claims.lock"
_LARGEST_BLOCK = 4096


@dataclass(frozen=True)
class FeatureReport:
    """What :func:`build_features` did.

    folder: of these features. seen: pictures that were asked for, repeated ones each time. encoded: by this process.
    left_out: could not be read. stored: distinct pictures that have features now. shards, bytes: written by this
    process. cast_error: the worst of all features there, older ones too.
    """

    folder: Path
    seen: int
    encoded: int
    left_out: int
    stored: int
    shards: int
    bytes: int
    cast_error: CastError
    seconds: float


def build_features(
    model: VisionLanguageModel,
    processor: Processor,
    images: Iterable[ImageRef],
    root: Path,
    *,
    dtype: torch.dtype = torch.bfloat16,
    before_norm: bool | None = None,
    transform: ImageTransform | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    shard_bytes: int = SHARD_BYTES,
    shard_seconds: float = SHARD_SECONDS,
    verify: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_bad: Callable[[ImageRef, ImageError], None] | None = None,
) -> FeatureReport:
    """Encode the pictures that have no features in the folder yet.

    May be run again after it was stopped or killed, and by several processes at once: each takes what no other has in
    hand, and all end when everything is there.

    Args:
        root: the folder; features of several encoders and data sets may share it.
        dtype, before_norm, transform: see ``feature_spec``.
        workers: threads that open pictures; None: one a core.
        shard_bytes, shard_seconds, verify: see ``ShardWriter``.
        on_progress: called with the numbers of pictures seen and of pictures encoded.
        on_bad: told of pictures that cannot be read, which are then left out; None: they are errors.

    Raises:
        ImageError: a picture cannot be read. DataError: see ``feature_spec``; a feature that is not finite or does not
            fit ``dtype``; a file that changes while it is read. StorageError: a full disk. What was encoded until then
            is kept.
    """
    begun = time.perf_counter()
    spec = feature_spec(model, processor, dtype, before_norm, transform)
    pixels = PixelMaker(processor.image_processor, transform)
    try:
        claims = Claims(root / _CLAIMS_FILE)
    except OSError as error:
        raise storage_error(root, error) from error
    threads = default_workers() if workers is None else max(1, workers)
    with claims, ThreadPoolExecutor(threads) as pool:
        writer = ShardWriter(root, spec, claims, shard_bytes=shard_bytes, shard_seconds=shard_seconds, verify=verify)
        encoder = BlockEncoder(
            writer=writer,
            claims=claims,
            names=NameTable(root),
            pool=pool,
            prepare=lambda ref: pixels(open_images([ref])),
            encode=feature_function(model, spec.before_norm),
            dtype=dtype,
            batch_size=batch_size,
            block_size=min(_LARGEST_BLOCK, max(batch_size, shard_bytes // spec.row_bytes)),
            on_progress=on_progress,
            on_bad=on_bad,
        )
        encoder.run(images)
    return FeatureReport(
        folder=writer.folder,
        seen=encoder.seen,
        encoded=encoder.encoded,
        left_out=encoder.left_out,
        stored=len(writer),
        shards=writer.shards,
        bytes=writer.bytes,
        cast_error=writer.cast_error,
        seconds=time.perf_counter() - begun,
    )
