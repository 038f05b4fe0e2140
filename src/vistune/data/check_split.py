"""Reading one split through to see whether it is whole."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vistune.data.bad_rows import BadRow, OnError, RowLog
from vistune.data.rows import read_rows
from vistune.errors import ImageError, InputError

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.files import Files
    from vistune.data.sources.base import Source

_SHOWN = 5
_EVERY_ROWS = 1000

Progress = Callable[[str, int], None]


@dataclass
class SplitCheck:
    """What was found of one split.

    Args:
        files: path of each annotation file that is there. missing: of each that is not, the paths looked at.
        rows: Examples that can be used; None where the files are not there. expected: how many the release has.
        bad: rows that cannot be used by reason. first_bad: some of them in words.
        opened: number of pictures that were opened. broken: those that could not be.
    """

    files: list[str] = field(default_factory=list)
    missing: list[list[str]] = field(default_factory=list)
    rows: int | None = None
    expected: int | None = None
    bad: dict[str, int] = field(default_factory=dict)
    first_bad: list[str] = field(default_factory=list)
    opened: int = 0
    broken: list[str] = field(default_factory=list)


class _Tally(RowLog):
    """Counts bad rows without keeping more than a few: where all pictures are missing there are as many as rows."""

    def __init__(self) -> None:
        super().__init__(OnError("skip", max_share=1.0))
        self.reasons: dict[str, int] = {}

    def add(self, row: BadRow) -> None:
        reason = str(row.reason)
        self.seen += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if self.reasons[reason] <= _SHOWN:
            self.bad.append(row.with_traceback(None))


class SplitReader:
    """Reads a split, keeps the names of its pictures as hashes and opens some of them.

    Args:
        opens: how many pictures to open, None is all. keep_pictures: fill in ``pictures``.

    ``pictures``: hashes of the pictures' names across sets. ``unread``: why videos were not opened, "" if they were.
    """

    def __init__(self, source: Source, files: Files, split: str, opens: int | None, keep_pictures: bool) -> None:
        self.source, self.files, self.split, self.opens = source, files, split, opens
        self.keep_pictures = keep_pictures
        self.pictures: set[int] = set()
        self.unread = ""
        self._sample: list[tuple[int, ImageRef]] = []
        self._taken: set[int] = set()

    def read(self, found: SplitCheck, progress: Progress | None) -> None:
        """Fill in what is found of the rows and pictures."""
        log = _Tally()
        rows = 0
        for example in read_rows(self.source, self.files, self.split, log=log):
            rows += 1
            for number, image in enumerate(example.images):
                name = example.source_ids[number] if number < len(example.source_ids) else str(image)
                self._take(image, _hash(name), found)
            if progress and rows % _EVERY_ROWS == 0:
                progress(self.split, rows)
        for _, image in self._sample:
            self._open(image, found)
        found.rows, found.bad = rows, dict(sorted(log.reasons.items(), key=lambda item: -item[1]))
        found.first_bad = [str(row) for row in log.bad]

    def _take(self, image: ImageRef, value: int, found: SplitCheck) -> None:
        """Open a picture now (all of them), or keep it in the sample."""
        if self.keep_pictures:
            self.pictures.add(value)
        if value in self._taken:
            return
        if self.opens is None:
            self._taken.add(value)
            self._open(image, found)
        # The smallest hashes: a sample that is spread over the split and the same whenever it is drawn.
        elif len(self._sample) < self.opens:
            self._taken.add(value)
            heapq.heappush(self._sample, (-value, image))
        elif self._sample and -value > self._sample[0][0]:
            self._taken.add(value)
            dropped, _ = heapq.heapreplace(self._sample, (-value, image))
            self._taken.discard(-dropped)

    def _open(self, image: ImageRef, found: SplitCheck) -> None:
        from vistune.data.images import open_images

        try:
            open_images([image])
            found.opened += 1
        except ImageError as error:
            found.broken.append(str(error))
        except InputError as error:
            # No PyAV: said once, it is no fault of the data.
            self.unread = str(error)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())
