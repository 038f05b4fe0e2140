"""People's own data as a source: jsonl, csv, parquet, LLaVA's JSON, tar shards, Hub sets."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import Place
from vistune.data.files import Files
from vistune.data.own_table import OwnColumns, row_example
from vistune.data.readers import read_csv, read_json_array, read_jsonl, read_parquet
from vistune.data.shards import read_shards
from vistune.data.sources.base import Rows, SetInfo, Source
from vistune.errors import DataError

if TYPE_CHECKING:
    from vistune.data.example import Example

logger = logging.getLogger(__name__)

_SHARD = re.compile(r"-\d+(-of-\d+)?$")
HUB = "hub:"
KINDS = "jsonl, json, csv, tsv, parquet"
_READERS = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json_array,
    ".csv": read_csv,
    ".tsv": lambda path: read_csv(path, "\t"),
    ".parquet": read_parquet,
}


class OwnSource(Source):
    """Rows of one's own, with named columns.

    Args:
        name: of the set, the task of its examples.
        splits: files by split; the rows of a split's files follow one another. A Hub set has its name in their place.
            What is trained on if nothing is said is "train", or the only one.
        columns: names of the columns where they differ from `vistune.data.own_table.COLUMNS`.
        num_frames: taken from each video.

    Raises:
        DataError: a kind of column that there is not.
    """

    def __init__(
        self,
        name: str,
        splits: Mapping[str, Sequence[Path] | str],
        columns: Mapping[str, str] | None = None,
        num_frames: int = 4,
    ) -> None:
        # Of several files none of which is called train, none is chosen for the person.
        train = "train" if "train" in splits else next(iter(splits)) if len(splits) == 1 else None
        others = [split for split in splits if split != train] if train else []
        self.info = SetInfo(
            name,
            title=name,
            splits=dict.fromkeys(splits),
            train_split=train,
            eval_split=others[0] if others else train,
        )
        self._splits = dict(splits)
        self._columns = OwnColumns(columns)
        self._num_frames = num_frames
        self._told = False

    def records(self, files: Files, split: str) -> Rows:
        """The rows of a split."""
        if split not in self._splits:
            raise DataError(f"{self.info.name!r} has no split {split!r}; expected {' or '.join(self._splits)}.")
        where = self._splits[split]
        if isinstance(where, str):
            from vistune.data.hub import read_hub

            return read_hub(where, split)
        if where[0].suffix == ".tar":
            return read_shards(where)
        # Files of one split count on, so that the rows keep names of their own.
        return chain.from_iterable(_READERS[_ending(path)](path) for path in where)

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """The one Example of a row."""
        example = row_example(record, self._columns, place, files, self.info.name, self._num_frames)
        if not example.images and not self._told:
            self._told = True
            logger.warning(
                "%s has no picture and is taken as text alone; if there is one, say which column it is (image=NAME).",
                place,
            )
        yield example


def own_source(
    where: str | Path,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    images: Path | str | None = None,
    num_frames: int = 4,
) -> tuple[OwnSource, Files]:
    """One's own rows and where their pictures are.

    Args:
        where: a file (jsonl, json, csv, tsv, parquet; also ``.gz``), a folder of such files named by their splits, of
            tar shards, or written by `datasets`; or ``hub:OWNER/NAME`` or ``hub:OWNER/NAME:CONFIG``.
        name: of the set; None: the file's.
        columns: names of the columns where they differ.
        images: folder that pictures are relative to and must not leave; None: that of the file.

    Raises:
        DataError: no such file, or a kind that cannot be read.
    """
    given = str(where)
    if given.startswith(HUB):
        hub_name = given.removeprefix(HUB)
        root = Path(images) if images else Path(hub_name) if Path(hub_name).is_dir() else Path()
        return _hub_source(hub_name, name, columns, num_frames), Files(root)
    path = Path(where).expanduser()
    if not path.exists():
        raise DataError(
            f"There is no file or folder {given!r} with data; check the path, or write hub:NAME for a Hub set."
        )
    root = Path(images) if images else path if path.is_dir() else path.parent
    if path.is_dir() and any((path / mark).is_file() for mark in ("dataset_dict.json", "state.json")):
        return _hub_source(str(path), name, columns, num_frames), Files(root)
    splits = _splits_of(path) if path.is_dir() else {"train": [path]}
    for file in chain.from_iterable(splits.values()):
        if file.suffix != ".tar" and _ending(file) not in _READERS:
            raise DataError(
                f"{str(file)!r} is of no kind that can be read; expected {KINDS}, or a folder of tar shards."
            )
    return OwnSource(name or _stem(path), splits, columns, num_frames), Files(root)


def _hub_source(where: str, name: str | None, columns: Mapping[str, str] | None, num_frames: int) -> OwnSource:
    from vistune.data.hub import hub_splits

    short = where.partition(":")[0].rstrip("/").rpartition("/")[2]
    return OwnSource(name or short, dict.fromkeys(hub_splits(where), where), columns, num_frames)


def _splits_of(folder: Path) -> dict[str, list[Path]]:
    """Files by split: train.jsonl is of "train", and so are train-00000-of-00002.parquet and train-1.csv."""
    tars = sorted(folder.glob("*.tar"))
    splits: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and _ending(path) in _READERS:
            splits.setdefault(_SHARD.sub("", _stem(path)), []).append(path)
    if tars and not splits:
        return {"train": tars}
    if not splits:
        raise DataError(f"The folder {str(folder)!r} has no data; expected files of the kinds {KINDS}, or tar shards.")
    return splits


def _ending(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def _stem(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == ".gz" else path).stem
