"""A benchmark's outcome in one line for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vistune.evaluate.benchmarks.published import published

if TYPE_CHECKING:
    from vistune.evaluate.benchmarks import Given
    from vistune.evaluate.metrics import Score
    from vistune.evaluate.runner.outcome import BenchmarkResult

# What `details` count, and what it counted as, by metric.
_ODD = {
    "unparsed": "answers not understood",
    "empty": "empty answers",
    "neither": "answers that begin with neither yes nor no",
    "no_right_candidate": "rows whose right answer is none of the candidates",
}
# By which figures of one benchmark differ.
_TOLD_APART = ("protocol", "n", "value", "limit", "shuffle")
_COUNTED_AS = {"auc": "one half", "pope": "yes"}


def summary_line(result: BenchmarkResult) -> str:
    """The figure with its interval, what of it was not asked or not understood, and the best published one.

    Figures that have a note (of models trained on the set) stand back behind those without.
    """
    benchmark, score = result.benchmark, result.score
    if score is None:
        told = f"{result.note}: {result.hint}" if result.hint else result.note
    else:
        low, high = score.interval()
        told = f"{score.value:.4g} (95 % interval {low:.4g} to {high:.4g}, n = {len(result.asked.examples):,})"
        told += not_understood(benchmark.metric, score) + _empty(score, result.asked.given) + _named(score)
        told += _beside(benchmark.name)
    reused = f"; answers from before: {result.asked.reused:,}" if result.asked.reused else ""
    written = "" if result.submission is None else f"; official file: {result.submission}"
    return f"{benchmark.name} [{result.protocol}]: {told}{reused}{written}"


def replaced_line(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """That another figure of the benchmark stood in the folder, which holds one of each; "" where none did."""
    if before is None or all(before.get(name) == after.get(name) for name in _TOLD_APART):
        return ""
    value = before.get("value")
    figure = "answers without a figure" if value is None else f"{value:.4g}"
    how = f" [{before.get('protocol')}]" if before.get("protocol") != after.get("protocol") else ""
    return f"    this takes the place of {figure}{how} (n = {before.get('n') or 0:,}); --out another folder keeps both"


def not_understood(metric: str, score: Score) -> str:
    """ "; answers not understood: 3, counted as wrong" where there are some: nothing counts in silence."""
    as_what = _COUNTED_AS.get(metric, "wrong")
    found = [(score.details.get(name), words) for name, words in _ODD.items()]
    return "".join(
        f"; {words}: {number:,}, counted as {as_what}" for number, words in found if isinstance(number, int) and number
    )


def _empty(score: Score, given: Sequence[Given]) -> str:
    """Answers of no words, where the metric does not count them itself."""
    if "unparsed" in score.details or "empty" in score.details:
        return ""
    empty = sum(answer.answer is not None and not answer.answer.strip() for answer in given)
    return f"; empty answers: {empty:,}" if empty else ""


def _named(score: Score) -> str:
    """Of hallucination: who names nothing makes nothing up."""
    mentions = score.details.get("mentions")
    return "" if mentions is None else f"; objects named: {mentions:,}"


def _beside(name: str) -> str:
    every = [entry for entry in published(name) if not entry.part]
    best = max([entry for entry in every if not entry.note] or every, key=lambda entry: entry.value, default=None)
    if best is None:
        return ""
    note = "; the report tells how" if best.note else ""
    return f"; published: up to {best.value:.4g} ({best.model}{note})"
