"""All benchmarks and suites by name; a benchmark's file is read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path

from vistune.data.strict_yaml import nearest, read_yaml
from vistune.errors import InputError
from vistune.evaluate.benchmarks.base import Benchmark

FOLDER = Path(__file__).parent


class _Benchmarks(Mapping[str, Benchmark]):
    def __getitem__(self, name: str) -> Benchmark:
        if name not in _names():
            raise KeyError(name)
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())

    def __contains__(self, name: object) -> bool:
        return name in _names()


class _Suites(Mapping[str, "tuple[str, ...]"]):
    def __getitem__(self, name: str) -> tuple[str, ...]:
        return _suites()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_suites())

    def __len__(self) -> int:
        return len(_suites())


BENCHMARKS: Mapping[str, Benchmark] = _Benchmarks()
"""Every benchmark by name."""
SUITES: Mapping[str, tuple[str, ...]] = _Suites()
"""The names of the benchmarks of every suite."""


def benchmark(name: str) -> Benchmark:
    """A benchmark by name, or that of a folder of a person's own in the form of LLaVA-Bench.

    Raises:
        InputError: there is neither, or the folder is called as a known benchmark is.
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _of_folder(folder.resolve())
    hint = nearest(name, BENCHMARKS) or "; `vistune benchmarks` shows them all."
    raise InputError(f"There is no benchmark {name!r}{hint}")


def _of_folder(folder: Path) -> Benchmark:
    if folder.name in BENCHMARKS:
        raise InputError(f"The folder {str(folder)!r} is called as a known benchmark is; give it another name.")
    return Benchmark(
        name=folder.name,
        title=folder.name,
        source="llava_bench",
        split="test",
        metric="judge",
        form="long",
        root=folder,
        choices="Answers are rated by `vistune judge run` beside the folder's reference answers.",
    )


def suite(name: str) -> list[Benchmark]:
    """The benchmarks of a suite.

    Raises:
        InputError: there is none of that name.
    """
    if name not in SUITES:
        hint = nearest(name, SUITES) or f"; choose one of {', '.join(SUITES)}."
        raise InputError(f"There is no suite {name!r}{hint}")
    return [benchmark(member) for member in SUITES[name]]


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (FOLDER / "sets").glob("*.yaml")))


@cache
def _read(name: str) -> Benchmark:
    content, _ = read_yaml(FOLDER / "sets" / f"{name}.yaml")
    return Benchmark(name=name, **content)


@lru_cache(maxsize=1)
def _suites() -> dict[str, tuple[str, ...]]:
    content, _ = read_yaml(FOLDER / "suites.yaml")
    return {name: tuple(members) for name, members in content.items()}
