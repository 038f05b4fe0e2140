"""Hashes of what pictures hold and look like, kept between runs: opening a million pictures takes hours."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vistune.data.features.keys import content_keys, is_settled, name_digest
from vistune.data.features.names import NameTable
from vistune.data.features.pool import default_workers, ordered_map
from vistune.data.hashing import VARIANTS, grey_square, is_plain, look_hashes
from vistune.data.overlap.gather import PictureTable
from vistune.errors import ImageError, InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vistune.data.example import ImageRef

_KEY = 16
_VALUE = _KEY + 8 * 2 * VARIANTS + 1
_SAVE_SECONDS = 30.0
_TELL_EVERY = 1000


@dataclass(frozen=True)
class Looks:
    """rows: of the table, those that could be opened, m of them. keys: [m] hash of each file's bytes.

    hashes: [m, 11, 2], see ``look_hashes``. plain: [m] nothing to know it by. unreadable: rows that do not open.
    """

    rows: NDArray[np.int64]
    keys: list[bytes]
    hashes: NDArray[np.uint64]
    plain: NDArray[np.bool_]
    unreadable: list[int]


def default_cache() -> Path:
    """Where hashes are kept if nothing is said: a folder of the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vistune" / "looks"


def look_at(
    table: PictureTable,
    rows: Iterable[int],
    cache: Path | None,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Looks:
    """Hash pictures, those that the cache does not know.

    Args:
        cache: folder that hashes are kept in; None keeps nothing.
        workers: threads; None: one a core. on_progress: told (done, of how many).

    Raises:
        StorageError: the cache cannot be written.
    """
    wanted = list(rows)
    values = np.zeros((len(wanted), _VALUE), dtype=np.uint8)
    opened = np.zeros(len(wanted), dtype=bool)
    known = None if cache is None else NameTable(cache, _VALUE, kind="looks-1")
    for place, row in enumerate(wanted if known is not None else ()):
        value = known.find(name_digest(table.names[row])) if known is not None else None
        if value is not None:
            values[place], opened[place] = np.frombuffer(value, np.uint8), True
    for count, (place, value) in enumerate(_new_values(table, wanted, opened, known, workers), int(opened.sum()) + 1):
        if value is not None:
            values[place], opened[place] = np.frombuffer(value, np.uint8), True
        if on_progress is not None and count % _TELL_EVERY == 0:
            on_progress(count, len(wanted))
    return _looks(np.array(wanted, dtype=np.int64), values, opened)


def first_square(ref: ImageRef) -> Image:
    """A picture as ``grey_square``; of a video the first frame.

    Raises:
        ImageError: it cannot be read.
    """
    from vistune.data.video import VideoFrames

    return grey_square(ref.read()[0] if isinstance(ref, VideoFrames) else ref)


def _value(ref: ImageRef) -> bytes | None:
    """Key, hashes and whether it is plain; None if the picture does not open."""
    try:
        key = content_keys(ref)[0]
        square = first_square(ref)
    except (ImageError, InputError):
        return None
    return key + look_hashes(square).astype("<u8").tobytes() + bytes([is_plain(square)])


def _new_values(
    table: PictureTable, wanted: list[int], opened: NDArray[np.bool_], known: NameTable | None, workers: int | None
) -> Iterator[tuple[int, bytes | None]]:
    """(place, value) of the pictures that the cache does not have; they are saved on the way, and if it is stopped."""
    missing = np.flatnonzero(~opened).tolist()
    saved = time.monotonic()
    try:
        with ThreadPoolExecutor(workers or default_workers()) as pool:
            for place, value in ordered_map(pool, lambda place: _value(table.refs[wanted[place]]), missing, 64):
                name = table.names[wanted[place]]
                if known is not None and value is not None and is_settled(name):
                    known.add([name_digest(name)], [value])
                if known is not None and time.monotonic() - saved > _SAVE_SECONDS:
                    known.save()
                    saved = time.monotonic()
                yield place, value
    finally:
        if known is not None:
            known.save()


def _looks(wanted: NDArray[np.int64], values: NDArray[np.uint8], opened: NDArray[np.bool_]) -> Looks:
    found = values[opened]
    hashes = np.ascontiguousarray(found[:, _KEY:-1]).view("<u8").reshape(-1, VARIANTS, 2)
    return Looks(
        rows=wanted[opened],
        keys=[key.tobytes() for key in found[:, :_KEY]],
        hashes=hashes.astype(np.uint64),
        plain=found[:, -1] != 0,
        unreadable=wanted[~opened].tolist(),
    )
