"""What is tried before a model is loaded, so that a run of hours does not fail at its first or last file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.storage import storage_error
from vistune.errors import DataError, InputError
from vistune.evaluate.submission import check_submission

if TYPE_CHECKING:
    from vistune.evaluate.runner.request import Request


def check(request: Request) -> None:
    """Whether all of it can be done, as far as that is known without reading data or model.

    Raises:
        InputError, RecipeError: settings that cannot work. DataError: data sets that are not there. StorageError:
            results cannot be written.
    """
    for name, value in (("limit", request.limit), ("batch-size", request.batch_size)):
        if value is not None and value < 1:
            raise InputError(f"--{name} is {value}; expected at least 1.")
    if request.submission and not any(item.submission for item in request.benchmarks):
        names = ", ".join(item.name for item in request.benchmarks)
        raise InputError(f"--submission: there is no official file of {names}; leave it out.")
    if request.submission and (request.limit is not None or request.shuffle):
        raise InputError("--submission needs every row in order; leave out --limit and --shuffle.")
    if request.submission:
        check_submission(request.benchmarks, request.data_root)
    if request.columns is not None and len(request.benchmarks) > 1:
        raise InputError("--columns tells the rows of one benchmark apart; give one --benchmark with it.")
    _check_files(request)
    _check_data(request)


def _check_files(request: Request) -> None:
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


def _check_data(request: Request) -> None:
    needing = [item for item in request.benchmarks if item.source != "world"]
    nowhere = [item for item in needing if item.root is None and request.data_root is None]
    if nowhere:
        raise InputError(
            f"Where is the data of {nowhere[0].name}? Give the folder of the data sets with --data-root, or as "
            "VISTUNE_DATA_ROOT."
        )
    absent = {item.name: missing for item in needing if (missing := item.missing(request.data_root))}
    if absent:
        told = "; ".join(f"{name} lacks {', '.join(missing)}" for name, missing in absent.items())
        places = dict.fromkeys(str(item.root or request.data_root) for item in needing if item.name in absent)
        raise DataError(
            f"Data is missing in {', '.join(map(repr, places))}: {told}; fetch it (`vistune benchmarks` tells what "
            "each needs), or name other benchmarks."
        )


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
