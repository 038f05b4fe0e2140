"""LLaVA-Bench's questions as tasks for a judge: two answers beside each other, in one order or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from vistune.evaluate.judge.cache import reply_key
from vistune.evaluate.judge.folder import Question, answer_text
from vistune.evaluate.judge.keyed import Row, check_joined
from vistune.evaluate.judge.parse import parse_scores
from vistune.evaluate.judge.reviews import UNREADABLE
from vistune.evaluate.judge.rules import Rules, messages
from vistune.evaluate.judge.run import Task


def plan_reviews(
    questions: Sequence[Question],
    answers: Mapping[str, Row],
    rules: Rules,
    settings: Mapping[str, Any],
    repeats: int = 1,
    both_orders: bool = False,
    some_only: bool = False,
) -> list[Task]:
    """What has to be asked, joined on question_id.

    Args:
        settings: of the judge. some_only: questions without an answer are left out, as of a run with a limit.

    Raises:
        DataError: answers to unknown questions, or questions without one.
    """
    check_joined([question.name for question in questions], answers, some_only)
    tasks = []
    for repeat in range(repeats):
        for question in questions:
            if question.name not in answers:
                continue
            for swapped in (False, True)[: 1 + both_orders]:
                answer = answers[question.name]
                shown = (question.reference, answer_text(answer) or "")
                first, second = shown[::-1] if swapped else shown
                told = messages(
                    question.context, question.text, first, second, rules.of(question.category, question.sees)
                )
                key = reply_key(settings, told, question.name, repeat, swapped)
                tasks.append(Task(question.name, told, key, partial(_review, question, answer, repeat, swapped)))
    return tasks


def _review(question: Question, answer: Row, repeat: int, swapped: bool, words: str) -> dict[str, Any]:
    """The review as a row in the released form."""
    pair = parse_scores(words)
    if pair is not None and swapped:
        pair = (pair[1], pair[0])
    return {
        "question_id": question.id,
        "answer1_id": question.reference_id,
        "answer2_id": str(answer.get("answer_id", "")),
        "category": question.category,
        "content": words,
        "tuple": list(pair or UNREADABLE),
        "repeat": repeat,
        "swapped": swapped,
    }
