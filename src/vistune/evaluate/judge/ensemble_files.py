"""Files of the ScienceQA ensembles, and the questions that a judge is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from vistune.data.storage import written_whole
from vistune.errors import DataError
from vistune.evaluate.judge.cache import reply_key
from vistune.evaluate.judge.ensemble import Decision, Item, judge_messages
from vistune.evaluate.judge.keyed import Row, keyed_rows
from vistune.evaluate.judge.rules import Message
from vistune.evaluate.judge.run import Task

_IDS = ("id", "question_id")
_HOW_TO_END = "Explain your answer, and end with the words: The answer is X. Put the letter of the right option for X."


def read_answers(path: Path) -> dict[str, str]:
    """{id: answer} of JSON lines with ``id`` (or question_id) and ``answer`` (or text).

    Raises:
        DataError: a row without them, or an id twice.
    """
    rows = keyed_rows(path, _IDS, ("answer", "text"))
    return {key: str(row.get("answer", row.get("text"))) for key, row in rows.items()}


def read_references(path: Path) -> dict[str, Row]:
    """{id: row} of JSON lines with ``id`` and ``n_choices``.

    Raises:
        DataError: as `read_answers`.
    """
    return keyed_rows(path, _IDS, ("n_choices",))


def write_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """JSON lines with id, answer and source; written beside, then renamed."""
    with written_whole(path) as part:
        lines = [json.dumps(asdict(decision), ensure_ascii=False) for decision in decisions]
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def plan_decisions(items: Sequence[Item], settings: Mapping[str, Any]) -> list[Task]:
    """The questions that the two models answer differently, for a judge; its rows can be read as ``--requery``.

    Args:
        settings: of the judge.

    Raises:
        DataError: such a question comes without its words.
    """
    tasks = []
    for item in items:
        if item.choices[0] == item.choices[1]:
            continue
        if not item.question:
            raise DataError(f"Question {item.id!r} has no words for the judge; add `question` to the references.")
        told = judge_messages(item)
        tasks.append(Task(item.id, told, reply_key(settings, told, item.id), partial(_row, item.id)))
    return tasks


def plan_answers(questions: Mapping[str, Row], shots: Mapping[str, Row], settings: Mapping[str, Any]) -> list[Task]:
    """Every question in words alone, for the second model; its rows can be read as answers.

    With shots in the published form (convert_sqa_to_llava_base_prompt.py), else with our own words on how to end.

    Args:
        shots: questions with their answers, put in front of each. settings: of the model.

    Raises:
        DataError: a question comes without its words.
    """
    before = [{"role": "system", "content": "You are a helpful assistant."}]
    for shot in shots.values():
        before += [_asked(str(shot["question"])), {"role": "assistant", "content": str(shot["answer"])}]
    tasks = []
    for name, row in questions.items():
        words = str(row.get("question") or "").strip()
        if not words:
            raise DataError(f"Question {name!r} has no words for the model; add `question` to the references.")
        told = [*before, _asked(words) if shots else {"role": "user", "content": f"{words}\n\n{_HOW_TO_END}"}]
        tasks.append(Task(name, told, reply_key(settings, told, name), partial(_row, name)))
    return tasks


def read_shots(path: Path) -> dict[str, Row]:
    """JSON lines with ``id``, ``question`` and ``answer``.

    Raises:
        DataError: a row without them, or an id twice.
    """
    rows = keyed_rows(path, _IDS, ("question",))
    for name, row in rows.items():
        if not isinstance(row.get("answer"), str):
            raise DataError(f"{path}: the example {name!r} has no answer; expected text in `answer`.")
    return rows


def _asked(words: str) -> Message:
    return {"role": "user", "content": f"Can you explain {words}?"}


def _row(name: str, words: str) -> dict[str, Any]:
    return {"question_id": name, "text": words}
