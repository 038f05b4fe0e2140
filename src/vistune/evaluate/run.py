"""A model on tasks: every question ranked and answered freely, figures with their standard errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.evaluate.metrics import matches, mean, standard_error
from vistune.infer.predictor import Predictor

Scorer = Callable[[str, Example], float]


def match_references(answer: str, example: Example) -> float:
    """Exact match with any reference, after normalisation."""
    return matches(answer, example.references or (str(example.target),))


@dataclass(frozen=True)
class EvalTask:
    """A task to evaluate on.

    Args:
        name, role: as in the report; role is "held-in" (tuned on) or "held-out".
        core: whether it counts in the mean of its role.
        examples: questions with the right answer as target. Those without candidates are not ranked.
        score: how good a free answer is, 0..1. score_name: what that is called.
        max_new_tokens: of a free answer.
    """

    name: str
    role: str
    core: bool
    examples: Sequence[Example] = field(repr=False)
    score: Scorer = match_references
    score_name: str = "exact match"
    max_new_tokens: int = 8


@dataclass(frozen=True)
class Answer:
    """What a model said to one example: best candidate by ranking, free answer and its score."""

    id: str
    instruction: str
    target: str
    ranked: str | None
    generated: str | None
    score: float | None


@dataclass(frozen=True)
class TaskFigures:
    """A model's figures on one task; errors are standard errors. None: not measured."""

    task: str
    n: int
    rank: float | None
    rank_error: float | None
    generate: float | None
    generate_error: float | None


def evaluate_task(
    predictor: Predictor,
    task: EvalTask,
    samples: EncodedSet,
    *,
    generate: bool = True,
    closing_token: bool | None = None,
    batch_size: int = 64,
) -> tuple[TaskFigures, list[Answer]]:
    """Ask every question of a task.

    Args:
        samples: the task's examples, encoded for this predictor's model (blind or not).
        generate: whether to answer freely too, by greedy decoding.
        closing_token: whether the end of a candidate counts in ranking; needed where one may begin another.
    """
    encoded = samples.all()
    ranked: list[str | None] = [None] * len(encoded)
    if all(example.candidates for example in task.examples):
        lists = [list(example.candidates or ()) for example in task.examples]
        rankings = predictor.rank_encoded(encoded, lists, batch_size=batch_size, closing_token=closing_token)
        ranked = [ranking.candidates[ranking.best] for ranking in rankings]
    said: list[str | None] = [None] * len(encoded)
    if generate:
        said = list(
            predictor.generate_encoded(
                encoded, batch_size=batch_size, max_new_tokens=task.max_new_tokens, num_beams=1, do_sample=False
            )
        )
    answers = [
        Answer(e.id, e.instruction, str(e.target), best, text, None if text is None else task.score(text, e))
        for e, best, text in zip(task.examples, ranked, said, strict=True)
    ]
    return _figures(task, answers), answers


def _figures(task: EvalTask, answers: Sequence[Answer]) -> TaskFigures:
    hits = [float(answer.ranked == answer.target) for answer in answers if answer.ranked is not None]
    scores = [answer.score for answer in answers if answer.score is not None]
    return TaskFigures(
        task=task.name,
        n=len(answers),
        rank=mean(hits) if hits else None,
        rank_error=standard_error(hits) if hits else None,
        generate=mean(scores) if scores else None,
        generate_error=standard_error(scores) if scores else None,
    )


def write_answers(path: Path, figures: TaskFigures, answers: Sequence[Answer]) -> None:
    """Keep a task's figures and answers: a line of figures, then one answer a line. Written beside, then renamed."""
    contents = [asdict(figures), *(asdict(answer) for answer in answers)]
    lines = [json.dumps(content, ensure_ascii=False) for content in contents]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_answers(path: Path) -> tuple[TaskFigures, list[Answer]]:
    """What :func:`write_answers` kept."""
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    return TaskFigures(**json.loads(first)), [Answer(**json.loads(line)) for line in rest]
