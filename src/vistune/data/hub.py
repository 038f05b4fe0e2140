"""Hub sets and folders that the `datasets` library wrote, as rows of plain values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import Place
from vistune.errors import DataError

_BATCH_ROWS = 256


def read_hub(name: str, split: str) -> Iterator[tuple[Place, Any]]:
    """Rows of a split. Pictures are left as the bytes they are stored as, class labels are given by their names.

    Args:
        name: "OWNER/NAME" or "OWNER/NAME:CONFIG" on the hub, or a folder: one of `save_to_disk`, or of data files.

    Raises:
        DataError: no such set, configuration or split, or the hub cannot be reached.
    """
    dataset = _open(name, split)
    labels = {column: kind for column, kind in dataset.features.items() if hasattr(kind, "int2str")}
    index = 0
    for batch in dataset.with_format("arrow").iter(_BATCH_ROWS):
        for row in batch.to_pylist():
            for column, kind in labels.items():
                if row[column] is not None and row[column] >= 0:
                    row[column] = kind.int2str(row[column])
            yield Place(f"{name} {split}", index=index), row
            index += 1


def hub_splits(name: str) -> list[str]:
    """The splits of a set; errors as in `read_hub`."""
    import datasets

    with _told(name):
        folder = Path(name)
        if _is_saved(folder):
            saved = datasets.load_from_disk(str(folder))
            return list(saved) if isinstance(saved, datasets.DatasetDict) else ["train"]
        path, _, config = name.partition(":")
        return [str(split) for split in datasets.get_dataset_split_names(path, config or None)]


def _open(name: str, split: str) -> Any:
    import datasets

    with _told(name):
        folder = Path(name)
        if not _is_saved(folder):
            path, _, config = name.partition(":")
            return datasets.load_dataset(path, config or None, split=split)
        saved = datasets.load_from_disk(str(folder))
        if not isinstance(saved, datasets.DatasetDict):
            return saved
        if split not in saved:
            raise DataError(f"The data set {name!r} has no split {split!r}; expected one of {', '.join(saved)}.")
        return saved[split]


def _is_saved(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


@contextmanager
def _told(name: str) -> Iterator[None]:
    import datasets

    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"The data set {name!r} cannot be opened ({reason}); check its name, configuration and split, and that the "
            "hub can be reached."
        ) from error
