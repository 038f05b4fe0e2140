"""What is to be measured, and whether that can work, before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks import benchmark, suite
from vistune.evaluate.runner.before import check_files
from vistune.evaluate.submission import check_submission

if TYPE_CHECKING:
    from vistune.evaluate.benchmarks import Benchmark


@dataclass(frozen=True)
class Request:
    """What is measured, on what.

    Args:
        model: checkpoint folder or hub name, or what to call another system. suite: the suite's name, None for single
            benchmarks.
        protocol: name or YAML file; None: the model's own.
        limit, shuffle, seed: which rows, see ``Benchmark.examples``. submission: write the official files.
        columns: a file of columns to tell figures apart by.
    """

    model: str
    benchmarks: tuple[Benchmark, ...]
    out: Path
    suite: str | None = None
    protocol: str | None = None
    data_root: Path | None = None
    limit: int | None = None
    shuffle: bool = False
    seed: int = 0
    batch_size: int = 16
    submission: bool = False
    columns: Path | None = None

    def folder(self, name: str) -> Path:
        """Where a benchmark's rows stand."""
        return self.out / name


def chosen_benchmarks(suite_name: str | None, names: Sequence[str]) -> tuple[Benchmark, ...]:
    """The benchmarks of a suite, or those named.

    Raises:
        InputError: neither or both are given, one comes twice, or there is none of that name.
    """
    if (suite_name is None) == (not names):
        raise InputError(
            "Give either --suite NAME or --benchmark NAME (once or more); `vistune benchmarks` lists them."
        )
    if suite_name is not None:
        return tuple(suite(suite_name))
    chosen = [benchmark(name) for name in names]
    called = [item.name for item in chosen]
    if len(set(called)) != len(called):
        twice = next(name for name in called if called.count(name) > 1)
        raise InputError(f"The benchmark {twice!r} is given twice; give each once.")
    return tuple(chosen)


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
    check_files(request)
    _check_data(request)


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
