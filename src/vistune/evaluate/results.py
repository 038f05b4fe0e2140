"""The figures of several models as one table: results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vistune.evaluate.metrics import mean
from vistune.evaluate.run import EvalTask, TaskFigures


def results_table(
    tasks: Sequence[EvalTask],
    models: Mapping[str, Mapping[str, TaskFigures]],
    majority: Mapping[str, float],
    blind: Mapping[str, TaskFigures],
) -> dict[str, Any]:
    """{model: {held_in, held_out, tasks: {name: {role, rank, generate, majority, blind, n}}}}, accuracies 0..1.

    held_in and held_out are means by ranking over the core tasks of that role; None where there are none.
    """
    return {
        name: {
            "held_in": _role_mean(tasks, figures, "held-in"),
            "held_out": _role_mean(tasks, figures, "held-out"),
            "tasks": {
                task.name: {
                    "role": task.role,
                    "rank": figures[task.name].rank,
                    "generate": figures[task.name].generate,
                    "majority": majority[task.name],
                    "blind": blind[task.name].rank,
                    "n": figures[task.name].n,
                }
                for task in tasks
            },
        }
        for name, figures in models.items()
    }


def _role_mean(tasks: Sequence[EvalTask], figures: Mapping[str, TaskFigures], role: str) -> float | None:
    ranks = [figures[task.name].rank for task in tasks if task.core and task.role == role]
    known = [rank for rank in ranks if rank is not None]
    return mean(known) if known else None
