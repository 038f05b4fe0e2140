"""Tasks of the picture world to evaluate on, made rankable and scorable."""

from __future__ import annotations

from collections.abc import Sequence

from vistune.data.example import Example
from vistune.data.sources.world import WorldRow, evaluation_rows, with_other_captions
from vistune.evaluate.metrics import phrase_f1
from vistune.evaluate.questions import answer_of, with_other_questions
from vistune.evaluate.run import EvalTask, Scorer
from vistune.world.tasks import TASKS

# Candidates of a caption or a question.
_NUM_TEXTS = 5


def world_task(name: str, split: str, count: int, seed: int) -> EvalTask:
    """A task on scenes of a split ("val" or "test"), a scene for every question.

    Raises:
        InputError: there is no such task.
    """
    rows = evaluation_rows(name, split, count, seed)
    task = TASKS[name]
    if name == "caption":
        rows = with_other_captions(rows, _NUM_TEXTS, seed)
        return EvalTask(name, task.role, False, _examples(rows), _caption_score, "F1 of the objects named", 64)
    if name == "question":
        rows = with_other_questions(rows, _NUM_TEXTS, seed)
        score = _question_scorer(rows)
        return EvalTask(name, task.role, False, _examples(rows), score, "questions with the wanted answer", 24)
    return EvalTask(name, task.role, task.is_question, _examples(rows))


def _examples(rows: Sequence[WorldRow]) -> list[Example]:
    return [row.example for row in rows]


def _caption_score(text: str, example: Example) -> float:
    return phrase_f1(text, str(example.target))


def _question_scorer(rows: Sequence[WorldRow]) -> Scorer:
    scenes = {row.example.id: row.scene for row in rows}

    def score(text: str, example: Example) -> float:
        scene = scenes[example.id]
        wanted = answer_of(str(example.target), scene)
        return float(wanted is not None and answer_of(text, scene) == wanted)

    return score
