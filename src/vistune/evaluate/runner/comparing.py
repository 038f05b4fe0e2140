"""Two runs on the same rows: how much better one is, benchmark by benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.errors import DataError
from vistune.evaluate.benchmarks import Given, benchmark
from vistune.evaluate.benchmarks.scoring.retrieval import recalls_score
from vistune.evaluate.judge.kept import kept_score
from vistune.evaluate.metrics.bootstrap import Comparison, compare_scores
from vistune.evaluate.metrics.rows import read_rows, same_ids
from vistune.evaluate.metrics.score import Score, mean_score
from vistune.evaluate.runner.results import read_results


@dataclass(frozen=True)
class Compared:
    """The figures of two runs on one benchmark, and B minus A."""

    name: str
    title: str
    metric: str
    unit: str
    a: float
    b: float
    found: Comparison


def compare_runs(a: Path, b: Path, data_root: Path | None = None) -> list[Compared]:
    """Every benchmark that both runs have a figure of.

    Where the figure is no mean over rows (BLEU, AUC, MME's points) the answers are scored again.

    Args:
        data_root: for that; None: the one that the runs were made with.

    Raises:
        DataError: a folder holds no run, they share no benchmark, or they are of different rows. InputError: the data
            has to be read and nothing says where it is.
    """
    first, second = _entries(a), _entries(b)
    shared = [name for name in first if name in second]
    if not shared:
        raise DataError(
            f"{str(a)!r} and {str(b)!r} have no figure of the same benchmark: {', '.join(first) or 'none'} there, "
            f"{', '.join(second) or 'none'} here."
        )
    return [_compared(name, (a, first[name]), (b, second[name]), data_root) for name in shared]


def _entries(run: Path) -> dict[str, dict[str, Any]]:
    """The benchmarks with a figure."""
    content = read_results(run)
    known = {name: content.get(name) for name in ("data_root", "limit", "shuffle", "seed")}
    figures = [entry for entry in content["benchmarks"] if entry.get("value") is not None and entry.get("rows")]
    return {entry["name"]: {**known, **entry} for entry in figures}


def _compared(
    name: str, a: tuple[Path, dict[str, Any]], b: tuple[Path, dict[str, Any]], data_root: Path | None
) -> Compared:
    paths = [run / entry["rows"] for run, entry in (a, b)]
    rows = [read_rows(path) for path in paths]
    same_ids(rows[1], paths[1], rows[0], paths[0])
    ids = list(rows[0])
    if a[1].get("mean_of_rows") and b[1].get("mean_of_rows"):
        scores = [_mean(path, [row[key]["score"] for key in ids]) for path, row in zip(paths, rows, strict=True)]
    elif a[1]["metric"] == "retrieval":
        scores = [_recalls(path, [row[key] for key in ids]) for path, row in zip(paths, rows, strict=True)]
    elif a[1]["metric"] == "judge":
        scores = _judged(name, [a[1], b[1]], paths, [{key: row[key]["answer"] for key in ids} for row in rows])
    else:
        scores = _scored_again(name, a[1], rows, data_root)
    found = compare_scores(*scores)
    entry = a[1]
    return Compared(name, entry["title"], entry["metric"], entry["unit"], scores[0].value, scores[1].value, found)


def _mean(path: Path, values: Sequence[Any]) -> Score:
    if not all(isinstance(value, int | float) for value in values):
        raise DataError(f"{path} has rows without a score; run `vistune eval` again.")
    return mean_score([float(value) for value in values])


def _recalls(path: Path, rows: Sequence[Mapping[str, Any]]) -> Score:
    """Of all pairs, from what each row counts."""
    columns = [row.get("columns") for row in rows]
    known = [found for found in columns if isinstance(found, dict)]
    if len(known) < len(rows):
        raise DataError(f"{path} has rows without recalls; run `vistune eval` again.")
    return recalls_score({name: [found[name] for found in known] for name in known[0]})


def _judged(
    name: str, entries: Sequence[Mapping[str, Any]], paths: Sequence[Path], answers: Sequence[Mapping[str, str]]
) -> list[Score]:
    """What one and the same judge said of both runs' answers."""
    judges = [str(entry["details"].get("judge")) for entry in entries]
    if judges[0] != judges[1]:
        raise DataError(
            f"{name} was judged by {judges[0]} there and by {judges[1]} here; figures of two judges say nothing about "
            "two models, so let one of them judge both."
        )
    scores = [kept_score(path.parent, given) for path, given in zip(paths, answers, strict=True)]
    for path, score in zip(paths, scores, strict=True):
        if score is None:
            raise DataError(f"The answers of {path} are not those that were judged; run `vistune judge` on them again.")
    return [score for score in scores if score is not None]


def _scored_again(
    name: str, entry: Mapping[str, Any], runs: Sequence[Mapping[str, Mapping[str, Any]]], data_root: Path | None
) -> list[Score]:
    """Both runs' answers against the references, in one order of rows."""
    chosen = benchmark(name)
    root = data_root or (Path(entry["data_root"]) if entry.get("data_root") else None)
    every = {example.id: example for example in chosen.examples(root)}
    absent = [key for key in runs[0] if key not in every]
    if absent:
        raise DataError(
            f"Row {absent[0]!r} of the runs is not among those of {name} in {str(root)!r}; is it other data?"
        )
    examples = [every[key] for key in runs[0]]
    return [chosen.score(examples, [_given(rows[example.id]) for example in examples]) for rows in runs]


def _given(row: Mapping[str, Any]) -> Given:
    """Scores where all of them were written down, else the answer."""
    return Given(answer=row.get("answer"), scores=None if "of" in row else row.get("scores"))
