"""Files of the ScienceQA ensembles, and the judge asked about a question."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from vistune.data.storage import written_whole
from vistune.errors import DataError
from vistune.evaluate.judge.cache import ReplyCache, default_folder, reply_key
from vistune.evaluate.judge.ensemble import Decision, Item, judge_messages
from vistune.evaluate.judge.judges import Judge
from vistune.evaluate.judge.keyed import Row, keyed_rows

_IDS = ("id", "question_id")


def read_answers(path: Path) -> dict[str, str]:
    """{id: answer} of JSON lines with ``id`` (or question_id) and ``answer`` (or text).

    Raises:
        DataError: a row without them, or an id twice.
    """
    rows = keyed_rows(path, _IDS, ("answer", "text"))
    return {str(key): str(row.get("answer", row.get("text"))) for key, row in rows.items()}


def read_references(path: Path) -> dict[str, Row]:
    """{id: row} of JSON lines with ``id`` and ``n_choices``.

    Raises:
        DataError: as `read_answers`.
    """
    return {str(key): row for key, row in keyed_rows(path, _IDS, ("n_choices",)).items()}


def write_decisions(path: Path, decisions: Sequence[Decision]) -> None:
    """JSON lines with id, answer and source; written beside, then renamed."""
    with written_whole(path) as part:
        lines = [json.dumps(asdict(decision), ensure_ascii=False) for decision in decisions]
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def ask_judge(judge: Judge, cache: Path | None) -> Callable[[Item], str]:
    """The judge's words on a question, kept in the cache."""
    kept = ReplyCache(cache or default_folder())

    def ask(item: Item) -> str:
        if not item.question:
            raise DataError(f"Question {item.id!r} has no words for the judge; add `question` to the references.")
        told = judge_messages(item)
        key = reply_key(judge.settings(), told, 0)
        reply = kept.get(key)
        if reply is None:
            reply = judge(told)
            kept.put(key, reply)
        return reply.text

    return ask
