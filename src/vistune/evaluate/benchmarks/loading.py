"""The rows of a benchmark, from a data set's release files or a built set, or made by the picture world."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.arrow import ArrowExamples, is_built
from vistune.data.bad_rows import BadRow
from vistune.data.catalogue import source
from vistune.data.recipe_sets import built_place
from vistune.data.rows import read_rows
from vistune.data.sources.aokvqa import DIFFICULT
from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks.relevance import with_relevance
from vistune.evaluate.benchmarks.rounds import circular_rounds, question_of
from vistune.evaluate.benchmarks.scoring import scorer

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec

# The picture world's rows are the same for everyone.
_WORLD_SEED = 0


def load_examples(
    benchmark: BenchmarkSpec, data_root: Path | None, *, limit: int | None = None, shuffle: bool = False, seed: int = 0
) -> list[Example]:
    """See :meth:`vistune.evaluate.benchmarks.base.Benchmark.examples`."""
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; expected at least 1, or none for all rows.")
    rows: Iterable[Example]
    if benchmark.source == "world":
        rows = _world(benchmark)
    else:
        rows = _rows(benchmark, data_root)
    together = scorer(benchmark.metric).together
    if limit is not None and not shuffle and together is None:
        rows = islice(rows, min(limit, sys.maxsize))
    try:
        examples = list(rows)
    except BadRow as error:
        if benchmark.root is not None:
            raise
        told = str(error).rstrip(".")
        raise DataError(f"{told}; `vistune data check {benchmark.source}` counts all such rows.") from error
    if not examples:
        raise DataError(f"{benchmark.name} has no rows in the split {benchmark.split!r}; check its files.")
    if benchmark.metric == "circular":
        examples = circular_rounds(examples)
    return _chosen(examples, limit, shuffle, f"{benchmark.name} {seed}", together)


def _chosen(examples: list[Example], limit: int | None, shuffle: bool, key: str, together: object) -> list[Example]:
    """Shuffled and cut, in groups that stay whole."""
    if not shuffle and limit is None:
        return examples
    groups: dict[str, list[Example]] = {}
    for example in examples:
        name = together(example) if callable(together) else example.id
        groups.setdefault(name, []).append(example)
    kept = list(groups.values())
    if shuffle:
        random.Random(key).shuffle(kept)
    chosen: list[Example] = []
    # Orders of the choices are one question; pairs and sentences are several.
    number = 0
    for group in kept:
        if limit is not None and number >= limit:
            break
        chosen += group
        number += 1 if together is question_of else len(group)
    return chosen


def _world(benchmark: BenchmarkSpec) -> Sequence[Example]:
    from vistune.evaluate.world_tasks import world_task

    return world_task(benchmark.task, benchmark.split, benchmark.count, _WORLD_SEED).examples


def _rows(benchmark: BenchmarkSpec, data_root: Path | None) -> Iterable[Example]:
    data_root = benchmark.root or data_root
    if data_root is None:
        raise InputError(
            f"Where is the data of {benchmark.name}? Give the folder of the data sets with --data-root, or as "
            "VISTUNE_DATA_ROOT."
        )
    data = source(benchmark.source)
    built = built_place(data_root, benchmark.source, benchmark.split)
    if is_built(built):
        rows: Iterable[Example] = ArrowExamples(built)
        files = data.files(data_root)
    else:
        files = data.files(data_root)
        rows = read_rows(data, files, benchmark.split)
    shared = data.candidates(files)
    if benchmark.metric == "ranks":
        rows = with_relevance(rows, data, files)
    if benchmark.direct:
        # The official evaluator leaves them out; the server is given all.
        scored = (row for row in rows if not (benchmark.public_answers and DIFFICULT in row.parts))
        return (replace(row, choices=(), candidates=None, target=None, references=row.answers) for row in scored)
    if benchmark.answer == "rank" and shared is None and "training split" in (data.info.candidates or ""):
        train = " or ".join(str(path) for path in files.annotation_candidates(*data.info.annotations["train"][0]))
        raise DataError(
            f"{benchmark.name} ranks {data.info.candidates}, and there is neither answers.txt in "
            f"{str(files.folder)!r} nor {train}; fetch one of them."
        )
    return rows if shared is None else (replace(row, candidates=shared) for row in rows)
