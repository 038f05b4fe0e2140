"""What is tried before a model is loaded, so that a run of hours does not fail at its first or last file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.storage import storage_error
from vistune.errors import DataError, InputError

if TYPE_CHECKING:
    from vistune.evaluate.runner.request import Request


def check_files(request: Request) -> None:
    """Whether the folder of the results can be written to, and what the request names can be read.

    Raises:
        InputError: --out is a file. StorageError: nothing can be written there. DataError: the data root is no folder,
            or the columns cannot be read. RecipeError: the protocol cannot be used for a benchmark.
    """
    from vistune.evaluate.metrics.rows import read_rows
    from vistune.evaluate.protocols import protocol

    root = request.data_root
    if root is not None and not root.is_dir():
        raise DataError(f"There is no data folder {str(root)!r}; give the one that holds the data sets.")
    if request.columns is not None:
        read_rows(request.columns)
    if request.protocol is not None:
        how = protocol(request.protocol)
        for benchmark in request.benchmarks:
            how.settings(benchmark)
    _check_writable(request.out)


def _check_writable(out: Path) -> None:
    """The folder itself is made when there is something to write."""
    nearest = next((place for place in (out, *out.parents) if place.exists()), Path())
    if not nearest.is_dir():
        raise InputError(f"--out {str(out)!r} cannot be a folder, as {str(nearest)!r} is a file; name another.")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise storage_error(out, error) from error
