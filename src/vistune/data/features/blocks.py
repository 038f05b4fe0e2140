"""The work of encoding, block by block: who takes which, what is missing in it, in which order it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.data.features.cast import cast
from vistune.data.features.claims import Claims
from vistune.data.features.keys import PictureKeys, describe, picture_names
from vistune.data.features.names import NameTable
from vistune.data.features.pool import ordered_map
from vistune.data.features.writer import ShardWriter
from vistune.errors import DataError, ImageError, VistuneError

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

_MOST_HELD = 64
_WAIT_SECONDS = 0.2


@dataclass(frozen=True)
class _Picture:
    """A reference to open: one picture, or a video's frames. names: see ``picture_names``; keys: by content."""

    ref: ImageRef
    names: list[str]
    keys: list[bytes]


@dataclass
class BlockEncoder:
    """Encodes the pictures of a stream that have no features yet.

    Args:
        writer, claims, names: of the folder. pool: of threads that read files.
        prepare: a reference -> pixels [n, 3, H, W]. encode: pixels -> features [n, P, D]. dtype: stored.
        batch_size: pictures that are encoded together. block_size: pictures that one process takes at a time.
        on_progress: called with the numbers of pictures seen and encoded. on_bad: told of unreadable pictures.
    """

    writer: ShardWriter
    claims: Claims
    names: NameTable
    pool: Executor
    prepare: Callable[[ImageRef], Tensor]
    encode: Callable[[Tensor], Tensor]
    dtype: torch.dtype
    batch_size: int
    block_size: int
    on_progress: Callable[[int, int], None] | None = None
    on_bad: Callable[[ImageRef, ImageError], None] | None = None
    seen: int = 0
    encoded: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        self._keys = PictureKeys(self.names)
        self._held: list[str] = []

    def run(self, images: Iterable[ImageRef]) -> None:
        """Encode what is missing; returns when all features are there, also those that other processes make.

        Raises:
            ImageError, DataError, StorageError: see ``build_features``; what was encoded is kept.
        """
        waiting: list[list[tuple[ImageRef, list[str]]]] = []
        try:
            for block in self._blocks(images):
                if not self._do(block):
                    waiting.append(block)
            while waiting:
                waiting = [block for block in waiting if not self._do(block)]
                if waiting:
                    # Others may be waiting for what this process holds.
                    self._flush()
                    time.sleep(_WAIT_SECONDS)
            self._flush()
        except BaseException:
            with suppress(VistuneError):
                self._flush()
            raise

    def _blocks(self, images: Iterable[ImageRef]) -> Iterator[list[tuple[ImageRef, list[str]]]]:
        named = self._named(images)
        while block := list(islice(named, self.block_size)):
            yield block

    def _named(self, images: Iterable[ImageRef]) -> Iterator[tuple[ImageRef, list[str]]]:
        for ref in images:
            try:
                names = picture_names(ref)
            except ImageError as error:
                self._bad(ref, error)
                continue
            yield ref, names

    def _bad(self, ref: ImageRef, error: ImageError) -> None:
        if self.on_bad is None:
            raise error
        self.left_out += 1
        self.on_bad(ref, error)

    def _do(self, block: list[tuple[ImageRef, list[str]]]) -> bool:
        """Encode what is missing of a block; False if another process has it in hand."""
        claim = _claim_name(block)
        if not self.claims.take(claim):
            return False
        self.writer.refresh()
        missing = iter(self._missing(block))
        first = next(missing, None)
        self.seen += len(block)
        if first is None:
            self.claims.release(claim)
        else:
            self._held.append(claim)
            self._encode(first, missing)
        self._tell()
        if self.writer.due or len(self._held) >= _MOST_HELD:
            self._flush()
        return True

    def _missing(self, block: list[tuple[ImageRef, list[str]]]) -> Iterator[_Picture]:
        taken: set[bytes] = set()
        for (ref, names), keys in ordered_map(self.pool, self._keys_of, block, 4 * self.batch_size):
            if isinstance(keys, ImageError):
                self._bad(ref, keys)
            elif any(key not in self.writer and key not in taken for key in keys):
                taken.update(keys)
                yield _Picture(ref, names, keys)

    def _keys_of(self, item: tuple[ImageRef, list[str]]) -> list[bytes] | ImageError:
        try:
            return self._keys.of(*item)
        except ImageError as error:
            return error

    def _encode(self, first: _Picture, rest: Iterator[_Picture]) -> None:
        pictures: list[_Picture] = []
        pixels: list[Tensor] = []
        for picture, found in ordered_map(self.pool, self._pixels, _chain(first, rest), 2 * self.batch_size):
            if isinstance(found, ImageError):
                self._bad(picture.ref, found)
                continue
            pictures.append(picture)
            pixels.append(found)
            if len(pictures) >= self.batch_size:
                self._encode_batch(pictures, pixels)
                pictures, pixels = [], []
        if pictures:
            self._encode_batch(pictures, pixels)

    def _pixels(self, picture: _Picture) -> Tensor | ImageError:
        try:
            pixels = self.prepare(picture.ref)
        except ImageError as error:
            return error
        if picture_names(picture.ref) != picture.names:
            raise DataError(
                f"The file of {describe(picture.ref)} changed while it was read; run again when nothing writes to it."
            )
        return pixels

    def _encode_batch(self, pictures: list[_Picture], pixels: list[Tensor]) -> None:
        names = [describe(picture.ref) for picture in pictures for _ in picture.keys]
        values, error = cast(self.encode(torch.cat(pixels)), self.dtype, names)
        self.writer.add([key for picture in pictures for key in picture.keys], values, error)
        self.encoded += len(values)
        self._tell()
        if self.writer.due:
            self._flush_rows()

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.seen, self.encoded)

    def _flush_rows(self) -> None:
        self.writer.flush()
        self.names.save()

    def _flush(self) -> None:
        self._flush_rows()
        for claim in self._held:
            self.claims.release(claim)
        self._held = []


def _chain(first: _Picture, rest: Iterator[_Picture]) -> Iterator[_Picture]:
    yield first
    yield from rest


def _claim_name(block: list[tuple[ImageRef, list[str]]]) -> str:
    digest = blake2b(digest_size=16)
    for _, names in block:
        digest.update("\n".join(names).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
