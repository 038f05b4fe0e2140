"""What is to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.errors import InputError
from vistune.evaluate.benchmarks import benchmark, suite

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
