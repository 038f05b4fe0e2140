"""Floors and the table of results."""

from __future__ import annotations

import pytest

from vistune.data.example import Example
from vistune.evaluate.baselines import majority_accuracy
from vistune.evaluate.results import results_table
from vistune.evaluate.run import EvalTask, TaskFigures


def example(target: str, *candidates: str) -> Example:
    return Example("1", "t", "?", target, candidates=candidates or None)


def test_majority_is_the_most_frequent_training_answer() -> None:
    train = [example("no"), example("no"), example("yes")]
    test = [example("yes", "yes", "no"), example("no", "yes", "no"), example("yes", "yes", "no")]
    assert majority_accuracy(test, train) == pytest.approx(1 / 3)


def test_without_training_rows_the_floor_is_the_best_constant() -> None:
    sizes = [example("large", "small", "large")] * 3 + [example("small", "large", "small")]
    assert majority_accuracy(sizes, []) == 0.75
    dialogue = [*sizes, example("red", "red", "blue"), example("blue", "red", "blue")]
    assert majority_accuracy(dialogue, []) == pytest.approx(4 / 6)


def test_options_of_their_own_have_the_best_position_as_floor() -> None:
    rows = [Example("1", "t", "?", f"right {n}", candidates=(f"wrong {n}", f"right {n}")) for n in range(15)]
    rows += [Example("1", "t", "?", f"right {n}", candidates=(f"right {n}", f"wrong {n}")) for n in range(15, 20)]
    assert majority_accuracy(rows, []) == 0.75


def test_results_have_the_promised_shape_and_only_core_tasks_in_the_means() -> None:
    tasks = [
        EvalTask("count", "held-in", True, []),
        EvalTask("caption", "held-in", False, []),
        EvalTask("size", "held-out", True, []),
    ]

    def figures(rank: float) -> dict[str, TaskFigures]:
        return {task.name: TaskFigures(task.name, 10, rank, 0.1, 0.5, 0.1) for task in tasks}

    model = {**figures(0.9), "caption": TaskFigures("caption", 10, 0.1, 0.1, 0.2, 0.1)}
    results = results_table(tasks, {"llava": model}, dict.fromkeys(model, 0.3), figures(0.4))
    assert results == {
        "llava": {
            "held_in": 0.9,
            "held_out": 0.9,
            "tasks": {
                name: {"role": role, "rank": rank, "generate": generate, "majority": 0.3, "blind": 0.4, "n": 10}
                for name, role, rank, generate in (
                    ("count", "held-in", 0.9, 0.5),
                    ("caption", "held-in", 0.1, 0.2),
                    ("size", "held-out", 0.9, 0.5),
                )
            },
        }
    }
    assert results_table(tasks[:1], {"llava": model}, {"count": 0.3}, figures(0.4))["llava"]["held_out"] is None
