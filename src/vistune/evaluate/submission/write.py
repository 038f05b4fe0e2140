"""Writing a benchmark's answers as the file that its server takes, complete by ids or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.catalogue import source
from vistune.data.counting import count_of
from vistune.data.rows import read_rows
from vistune.data.storage import written_whole
from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks.loading import load_examples
from vistune.evaluate.submission import forms
from vistune.evaluate.submission.workbook import check_openpyxl, write_workbook

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.base import Benchmark
    from vistune.evaluate.benchmarks.spec import Given

_FEW = 3
Form = Callable[["Benchmark", Sequence["Example"], Mapping[str, str]], Any]
# All answers of the test split must be in VQAv2's file, also where only test-dev was asked: visualqa.org/challenge.html
# has one procedure for both, and LLaVA's convert_vqav2_for_submission.py writes all.
_WIDER = {("vqav2", "test-dev"): "test"}
# Servers that read answers naming no choice themselves are given the words.
_READ_THERE = ("mmbench",)

_FORMS: dict[str, Form] = {
    "vqa": forms.vqa,
    "vizwiz": forms.vizwiz,
    "caption": forms.caption,
    "aokvqa": forms.aokvqa,
    "mm_vet": forms.mm_vet,
    "seed": forms.seed,
    "mmbench": forms.mmbench,
}


def check_submission(benchmarks: Iterable[Benchmark], data_root: Path | None) -> None:
    """Whether official files of these can be written here, before anything is asked.

    Raises:
        InputError: a package is not installed. DataError: questions that the server wants besides are not there.
    """
    for item in benchmarks:
        if item.submission == "mmbench":
            check_openpyxl()
        _wider_split(item, data_root)


def submission_name(benchmark: Benchmark) -> str:
    """What to call the file: one a split of a data set, as A-OKVQA's holds direct answers and choices."""
    return f"{benchmark.source}-{benchmark.split}{'.xlsx' if benchmark.submission == 'mmbench' else '.json'}"


def write_submission(
    benchmark: Benchmark, examples: Sequence[Example], answers: Sequence[Given], path: Path, data_root: Path | None
) -> int:
    """Write the official file.

    A-OKVQA's leaderboard takes direct answers and choices in one file: what the file holds already of the other kind
    stays. VQAv2's takes the whole test split: questions outside of test-dev get "".

    Args:
        examples: as the benchmark gave them. answers: one each, in the same order.
        path: see :func:`submission_name`.
        data_root: where the split is read again, to see that no id is missing.

    Returns:
        The number of entries.

    Raises:
        InputError: the benchmark has no such file, answers are missing, or openpyxl is for MMBench's.
        DataError: ids of the split have no answer, or its questions are not there; the file is not written then.
    """
    if benchmark.submission not in _FORMS:
        raise InputError(f"{benchmark.name} has no official submission file; its answers are public, so score them.")
    if len(examples) != len(answers):
        raise InputError(
            f"{benchmark.name} has {count_of(len(examples), 'row')} and {count_of(len(answers), 'answer')}; give one "
            "each."
        )
    there = benchmark.submission in _READ_THERE
    given = {example.id: _words(example, answer, there) for example, answer in zip(examples, answers, strict=True)}
    every = _all_rows(benchmark, data_root)
    missing = [row.id for row in every if row.id not in given]
    if missing:
        listed = ", ".join(map(repr, missing[:_FEW]))
        raise DataError(
            f"There is no answer to {len(missing):,} of {count_of(len(every), 'row')} of {benchmark.name} (the first: "
            f"{listed}); the server takes complete files only, so run it without a limit."
        )
    wider = _wider_rows(benchmark, data_root)
    rows = [*every, *(row for row in wider if row.id not in given)]
    content = _FORMS[benchmark.submission](benchmark, rows, given)
    if benchmark.submission == "aokvqa":
        content = forms.merged(content, path)
    with written_whole(path) as part:
        if benchmark.submission == "mmbench":
            write_workbook(content, part)
        elif benchmark.submission == "seed":
            part.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        else:
            part.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return len(rows)


def _words(example: Example, given: Given, read_there: bool) -> str:
    if given.scores is not None:
        candidates = example.candidates or ()
        if len(candidates) != len(given.scores):
            raise InputError(
                f"Row {example.id!r} has {count_of(len(candidates), 'candidate')} and "
                f"{count_of(len(given.scores), 'score')}."
            )
        return candidates[max(range(len(candidates)), key=given.scores.__getitem__)]
    if given.answer is None:
        raise InputError(f"Row {example.id!r} has no answer; run the benchmark to its end before submitting it.")
    words = given.answer.strip()
    return words or (given.text or "").strip() if read_there else words


def _all_rows(benchmark: Benchmark, data_root: Path | None) -> list[Example]:
    """Every row of the release's file, without rounds that were made here."""
    if benchmark.metric != "circular" or data_root is None:
        return load_examples(benchmark, data_root)
    data = source(benchmark.source)
    return list(read_rows(data, data.files(data_root), benchmark.split))


def _wider_rows(benchmark: Benchmark, data_root: Path | None) -> list[Example]:
    """Rows of the split that the server wants besides."""
    split = _wider_split(benchmark, data_root)
    if split is None or data_root is None:
        return []
    data = source(benchmark.source)
    return list(read_rows(data, data.files(data_root), split))


def _wider_split(benchmark: Benchmark, data_root: Path | None) -> str | None:
    """The split that the server wants besides, None for most benchmarks.

    Raises:
        DataError: its file is not there.
    """
    split = _WIDER.get((benchmark.source, benchmark.split))
    if split is None or data_root is None or not data_root.is_dir():
        return split
    data = source(benchmark.source)
    files = data.files(data_root)
    for names in data.info.annotations[split]:
        looked = files.annotation_candidates(*names)
        if not any(path.exists() for path in looked):
            raise DataError(
                f"The server of {benchmark.name} takes answers to all questions of {split}, and there is no "
                f"{' or '.join(str(path) for path in looked)}; fetch it, or leave --submission out."
            )
    return split
