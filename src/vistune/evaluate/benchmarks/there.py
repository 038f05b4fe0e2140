"""What data a benchmark needs below the data root, and whether it is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING

from vistune.data.archives import archives_of, stands_for
from vistune.data.arrow import is_built
from vistune.data.recipe_sets import built_place
from vistune.data.sources.pictures import COCO_2014, COCO_2017

if TYPE_CHECKING:
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec


def needs(benchmark: BenchmarkSpec) -> list[str]:
    """Annotation files with their alternatives, lists of answers, and folders of pictures, any of which may do."""
    return [" or ".join(options) for options in _wanted(benchmark)]


def missing(benchmark: BenchmarkSpec, data_root: Path | None) -> list[str]:
    """What of it is not there."""
    data_root = benchmark.root or data_root
    wanted = _wanted(benchmark)
    if data_root is not None:
        if wanted and is_built(built_place(data_root, benchmark.source, benchmark.split)):
            wanted = [*_answers(benchmark), *_pictures(benchmark)]
        wanted = [options for options in wanted if not any(_is_there(data_root / option) for option in options)]
    return [" or ".join(options) for options in wanted]


def _wanted(benchmark: BenchmarkSpec) -> list[list[str]]:
    return [*_annotations(benchmark), *_answers(benchmark), *_pictures(benchmark)]


def _answers(benchmark: BenchmarkSpec) -> list[list[str]]:
    """A list of answers that are ranked, or the split that it can be made of."""
    info = benchmark.info
    if info is None or benchmark.answer != "rank" or "training split" not in (info.candidates or ""):
        return []
    return [[normpath(f"{info.folder}/{name}") for name in (*info.optional, *info.annotations["train"][0])]]


def _annotations(benchmark: BenchmarkSpec) -> list[list[str]]:
    info = benchmark.info
    if info is None:
        return []
    listed = info.annotations[benchmark.split]
    return [[normpath(f"{info.folder}/{name}") for name in options] for options in listed]


def _pictures(benchmark: BenchmarkSpec) -> list[list[str]]:
    info = benchmark.info
    if info is None or not info.images:
        return []
    images = _of_split(info.images, benchmark.split)
    # The releases of 2014 and 2017 hold the same pictures, those of the test splits apart.
    coco = (*COCO_2014, *COCO_2017) if set(images) & {*COCO_2014, *COCO_2017} else ()
    return [list(dict.fromkeys((*images, *coco)))]


def _of_split(folders: Sequence[str], split: str) -> list[str]:
    """Without the folders of other splits, where test pictures stand apart; those of validation often do not."""
    named = {folder: folder.rpartition("/")[2].lower() for folder in folders}
    if not split.startswith("test") or not any(name.startswith("test") for name in named.values()):
        return list(folders)
    return [folder for folder, name in named.items() if not name.startswith(("train", "val", "dev"))]


def _is_there(path: Path) -> bool:
    """A file, a folder with something in it, or archives that stand for it."""
    there = next(path.iterdir(), None) is not None if path.is_dir() else path.exists()
    return there or any(stands_for(archive, path.name) for archive in archives_of(path.parent))
