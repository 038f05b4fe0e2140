"""MME's points: accuracy and accuracy+ of every task, summed over perception and cognition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vistune.data.sources.mme import COGNITION, PERCEPTION
from vistune.errors import InputError
from vistune.evaluate.benchmarks.scoring.registry import scorer
from vistune.evaluate.benchmarks.scoring.verdicts import verdicts_of
from vistune.evaluate.metrics.resampling import Weights
from vistune.evaluate.metrics.score import Score

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec, Given

_PREFIX = 4


def mme(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """Points of perception, at most 2000 (ten tasks), as papers tell them.

    Accuracy+ is the percentage of pictures whose two questions are both right. As in the official calculation an answer
    is a yes or a no by its first four letters; others are wrong and counted in ``details["unparsed"]``.

    Details: perception, cognition (at most 800), tasks: {task: {"accuracy", "accuracy_plus", "points", "interval" (of
    the points, over the task's questions), "n"}}.
    """
    ranked = any(given.scores is not None for given in answers)
    said = (
        verdicts_of(benchmark, examples, answers) if ranked else [_begins_with(given.answer or "") for given in answers]
    )
    hits = np.array([text == example.target for text, example in zip(said, examples, strict=True)], dtype=np.float64)
    tasks = _Tasks(benchmark, examples, hits)
    every = tasks.points(np.ones((1, len(examples))))
    whole = {name: float(values[2][0]) for name, values in every.items()}
    perception = sum(points for name, points in whole.items() if name in PERCEPTION)
    details = {
        "perception": perception,
        "cognition": sum(points for name, points in whole.items() if name in COGNITION),
        "unparsed": said.count(None),
        "tasks": {
            name: {
                "accuracy": float(values[0][0]),
                "accuracy_plus": float(values[1][0]),
                "points": float(values[2][0]),
                "interval": tasks.interval(name),
                "n": tasks.size(name),
            }
            for name, values in every.items()
        },
    }

    def figures(weights: Weights) -> NDArray[np.float64]:
        found = [values[2] for name, values in tasks.points(weights).items() if name in PERCEPTION]
        return np.asarray(np.sum(found, axis=0)) if found else np.full(len(weights), np.nan)

    return Score(perception, (100 * hits).tolist(), details, figures=figures)


def _begins_with(text: str) -> str | None:
    said = text.strip().lower()[:_PREFIX]
    return next((word for word in ("yes", "no") if word in said), None)


class _Tasks:
    """Which rows and pictures are of which task."""

    def __init__(self, benchmark: BenchmarkSpec, examples: Sequence[Example], hits: NDArray[np.float64]) -> None:
        together = scorer(benchmark.metric).together
        pictures: dict[str, list[int]] = {}
        self._rows: dict[str, list[int]] = {}
        for row, example in enumerate(examples):
            if not example.parts or example.parts[0] not in (*PERCEPTION, *COGNITION):
                raise InputError(f"Row {example.id!r} of {benchmark.name} is of no task of MME.")
            self._rows.setdefault(example.parts[0], []).append(row)
            pictures.setdefault(together(example) if together else example.id, []).append(row)
        self._hits = hits
        # A picture's figure stands for each of its rows, divided among them.
        self._both, self._share = np.zeros(len(examples)), np.zeros(len(examples))
        for rows in pictures.values():
            self._both[rows], self._share[rows] = hits[rows].min(), 1 / len(rows)

    def size(self, task: str) -> int:
        """Its questions."""
        return len(self._rows[task])

    def interval(self, task: str) -> list[float]:
        """Of its points, by resampling its questions."""
        rows = self._rows[task]

        def figures(weights: Weights) -> NDArray[np.float64]:
            return self._points(np.asarray(weights, dtype=np.float64), rows)[2]

        hits = self._hits[rows]
        points = float(figures(np.ones((1, len(rows))))[0])
        return list(Score(points, hits.tolist(), {}, figures=figures).interval())

    def points(self, weights: Weights) -> dict[str, tuple[NDArray[np.float64], ...]]:
        """Accuracy, accuracy+ and their sum for each task, each (resamples,); NaN where a resample has no row of it."""
        every = np.asarray(weights, dtype=np.float64)
        return {task: self._points(every[:, rows], rows) for task, rows in self._rows.items()}

    def _points(self, some: NDArray[np.float64], rows: list[int]) -> tuple[NDArray[np.float64], ...]:
        """Of the rows of one task, weighed (resamples, rows)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            accuracy = 100 * (some @ self._hits[rows]) / some.sum(axis=1)
            shares = some * self._share[rows]
            plus = 100 * (shares @ self._both[rows]) / shares.sum(axis=1)
        return accuracy, plus, accuracy + plus
