"""All of it for one benchmark, while its rows and their figures are at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.evaluate.report.analysis.by_column import by_columns
from vistune.evaluate.report.analysis.columns import columns_of
from vistune.evaluate.report.analysis.leanings import frequent, kinds, lengths, places
from vistune.evaluate.report.analysis.mistakes import keep_mistakes
from vistune.evaluate.report.analysis.said import right_of, said

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark, Given
    from vistune.evaluate.metrics import Score


def analyse(
    benchmark: Benchmark,
    examples: Sequence[Example],
    prompted: Sequence[Example],
    answers: Sequence[Given],
    score: Score | None,
    *,
    mistakes: Path,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """What results.json says of a benchmark besides its figure, as JSON.

    Args:
        examples: the rows as scored. prompted: the same as asked. answers: as scored; all in the same order.
        score: None where there is none (answers are not public, a judge scores them).
        mistakes: a file for the worst answers with their pictures.
        columns: a person's own, one entry a row; see
            :func:`vistune.evaluate.report.analysis.own_columns.read_columns`.

    Returns:
        by, lengths, kinds, places, frequent and mistakes, as the functions of this folder return them; those that say
        nothing here are left out.

    Raises:
        StorageError: the mistakes cannot be written.
        InputError: a column has another length than the rows.
    """
    texts = said(benchmark, examples, prompted, answers)
    free = [text for text, given in zip(texts, answers, strict=True) if text is not None and given.scores is None]
    found: dict[str, Any] = {}
    if score is not None:
        found["by"] = by_columns(score, columns_of(benchmark.form, examples, columns))
        found["mistakes"] = keep_mistakes(mistakes, benchmark, examples, prompted, answers, texts, score)
    if free:
        found["lengths"] = lengths(free, [right_of(example) for example in examples])
    found["kinds"] = kinds(benchmark, examples, texts)
    found["places"] = places(examples, texts)
    found["frequent"] = frequent(examples, texts)
    return {name: value for name, value in found.items() if value}
