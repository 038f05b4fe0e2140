"""What the demo learns from and is tested on: the picture world, or a table of people's own pictures."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vistune.data.example import Example
from vistune.data.sources.table import Table
from vistune.data.sources.world import tuning_examples
from vistune.demo.plan import Plan
from vistune.evaluate.baselines import majority_accuracy
from vistune.evaluate.run import EvalTask
from vistune.evaluate.world_tasks import world_task
from vistune.world.tasks import TASKS

# More training answers than this and ranking them all says little that generation does not.
MOST_CANDIDATES = 1000


@dataclass(frozen=True)
class Experiment:
    """Data of both chains.

    Args:
        captions: for the stages before instruction tuning.
        tuning: rows to tune on, by the groups that sampling balances.
        tests: see there.
    """

    captions: Sequence[Example]
    tuning: Mapping[str, Sequence[Example]]
    tests: Tests

    def rows(self) -> dict[str, list[Example]]:
        """Rows to tune on, by task."""
        by_task: dict[str, list[Example]] = {}
        for examples in self.tuning.values():
            for example in examples:
                by_task.setdefault(example.task, []).append(example)
        return by_task

    def majority(self) -> dict[str, float]:
        """The majority baseline by task."""
        rows = self.rows()
        return {task.name: majority_accuracy(task.examples, rows.get(task.name, ())) for task in self.tests.tasks}


@dataclass(frozen=True)
class Tests:
    """Tasks to evaluate on; closing_token: whether ranking counts the end of a candidate."""

    tasks: Sequence[EvalTask]
    closing_token: bool


def world_experiment(plan: Plan, seed: int) -> Experiment:
    """Held-in tasks of the world to tune on; all its tasks, on scenes of the test split, to evaluate on."""
    tuning = tuning_examples(plan.rows, seed)
    return Experiment(tuning["caption"], tuning, world_tests(plan, seed))


def world_tests(plan: Plan, seed: int) -> Tests:
    """All tasks of the world on scenes of the test split, a scene for every question."""
    return Tests([world_task(name, "test", plan.test_rows, seed) for name in TASKS], closing_token=False)


def table_experiment(table: Table, plan: Plan, seed: int) -> Experiment:
    """The table's rows to tune on; captions of the picture world for the stages before.

    Answers take the place of tasks in the balanced sampling: a rare colour is seen more often than its share of rows.
    """
    captions = tuning_examples({"caption": plan.rows["caption"]}, seed)["caption"]
    groups: dict[str, list[Example]] = {}
    few = len(table.answers()) <= MOST_CANDIDATES
    for example in table.train:
        groups.setdefault(str(example.target) if few else example.task, []).append(example)
    return Experiment(captions, groups, table_tests(table, plan, seed))


def table_tests(table: Table, plan: Plan, seed: int) -> Tests:
    """The table's test rows, at most ``plan.test_rows`` of them, fewer where there are many candidates.

    The candidates of every question are all training answers, if they are not too many.
    """
    answers = tuple(table.answers())
    candidates = answers if len(answers) <= MOST_CANDIDATES else None
    most = max(24, round(plan.test_rows * min(1.0, 50 / len(candidates or (1,)))))
    drawn = table.test
    if len(drawn) > most:
        drawn = [drawn[index] for index in sorted(random.Random(f"test rows {seed}").sample(range(len(drawn)), most))]
    test = [replace(e, candidates=candidates, references=(str(e.target),)) for e in drawn]
    longest = max(len(answer.split()) for answer in answers)
    task = EvalTask(test[0].task, "held-in", True, test, max_new_tokens=min(64, 4 * longest + 4))
    # Of two answers one may begin the other; without its end the shorter one would always win.
    return Tests([task], closing_token=True)
