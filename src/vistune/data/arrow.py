"""Built sets, memory-mapped: millions of rows open in a moment, and a row is read when it is asked for."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from vistune.data.arrow_schema import schema
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.arrow_rows import Rows
    from vistune.data.example import Example

BUILD_FILE = "build.json"
FORMAT = 2
_OPEN_BATCHES = 4096


def is_built(folder: Path | str) -> bool:
    """Whether a folder holds a set that `vistune data build` made."""
    return (Path(folder) / BUILD_FILE).is_file()


class ArrowExamples(Sequence["Example"]):
    """The examples of a built set. Holds its folder's name and the places of its batches; pickles to the name.

    Args:
        folder: with build.json and the shards.
        root: where the pictures' relative paths begin; None: where it was when the set was built.

    Raises:
        DataError: no built set there, one of another version, or a shard that is missing or cut off.
    """

    def __init__(self, folder: Path | str, root: Path | str | None = None) -> None:
        self.folder = Path(folder)
        self.about = _read_about(self.folder)
        self.root = Path(root if root is not None else self.about["root"])
        self.fingerprint: str = self.about["fingerprint"]
        self._batches = [
            (shard["file"], rows, offset, size)
            for shard in self.about["shards"]
            for rows, offset, size in shard["batches"]
        ]
        self._starts = [0, *accumulate(rows for _, rows, _, _ in self._batches)]
        self._opened = lru_cache(maxsize=_OPEN_BATCHES)(self._open)
        self._maps: dict[str, Any] = {}

    def __reduce__(self) -> tuple[type[ArrowExamples], tuple[Path, Path]]:
        return type(self), (self.folder, self.root)

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"index {index} of {len(self)} examples")
        batch = bisect_right(self._starts, number) - 1
        return self._opened(batch).example(number - self._starts[batch])

    def __iter__(self) -> Iterator[Example]:
        for batch in range(len(self._batches)):
            # Not kept: a walk through all of them would push out what others read.
            yield from self._open(batch)

    def _open(self, batch: int) -> Rows:
        import pyarrow as pa

        from vistune.data.arrow_rows import Rows

        name, _, offset, size = self._batches[batch]
        path = self.folder / name
        whole = self._map(path)
        try:
            table = pa.ipc.read_record_batch(pa.ipc.read_message(whole.slice(offset, size)), schema())
        except (pa.ArrowException, OSError, EOFError) as error:
            raise DataError(f"The shard {str(path)!r} is damaged ({error}); build the set again.") from error
        return Rows(table, path, whole.address, self.root)

    def _map(self, path: Path) -> Any:
        import pyarrow as pa

        if path.name not in self._maps:
            with pa.memory_map(str(path)) as file:
                self._maps[path.name] = file.read_buffer()
        return self._maps[path.name]


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / BUILD_FILE
    try:
        about: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"There is no built set in {str(folder)!r} (no {BUILD_FILE}); make one with `vistune data build`."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be read ({error}); build the set again.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise DataError(f"The set in {str(folder)!r} was built by another version of vistune; build it again.")
    for shard in about["shards"]:
        file = folder / shard["file"]
        found = file.stat().st_size if file.is_file() else None
        if found != shard["bytes"]:
            state = "is missing" if found is None else f"has {found} bytes, expected {shard['bytes']}"
            raise DataError(f"The shard {str(file)!r} {state}; copy the set again or build it anew.")
    return about
