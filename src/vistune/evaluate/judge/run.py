"""Every question put to the judge, several at once, each review written as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.data.readers import read_jsonl
from vistune.data.rows import BadRow
from vistune.errors import DataError, JudgeError, StorageError
from vistune.evaluate.judge.cache import ReplyCache, reply_key
from vistune.evaluate.judge.folder import Question, answer_text
from vistune.evaluate.judge.judges import Judge, Reply
from vistune.evaluate.judge.parse import parse_scores
from vistune.evaluate.judge.reviews import UNREADABLE
from vistune.evaluate.judge.rules import Message, Rules, messages

# What asking again does not change.
_FINAL = (400, 401, 403, 404, 422)


@dataclass(frozen=True)
class Task:
    """One review to be had; key: hash of all that it depends on."""

    question: Question
    answer: Mapping[str, Any]
    repeat: int
    swapped: bool
    messages: Sequence[Message]
    key: str

    def row(self, reply: Reply, model: str, cached: bool) -> dict[str, Any]:
        """The review as a row in the released form, with what it took besides."""
        pair = parse_scores(reply.text)
        if pair is not None and self.swapped:
            pair = (pair[1], pair[0])
        return {
            "question_id": self.question.id,
            "answer1_id": self.question.reference_id,
            "answer2_id": str(self.answer.get("answer_id", "")),
            "category": self.question.category,
            "content": reply.text,
            "tuple": list(pair or UNREADABLE),
            "repeat": self.repeat,
            "swapped": self.swapped,
            "model": model,
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "cached": cached,
            "key": self.key,
        }


def plan_tasks(
    questions: Sequence[Question],
    answers: Mapping[Any, Mapping[str, Any]],
    rules: Rules,
    settings: Mapping[str, Any],
    repeats: int = 1,
    both_orders: bool = False,
) -> list[Task]:
    """What has to be asked, joined on question_id.

    Raises:
        DataError: answers to unknown questions, or questions without one.
    """
    unknown = [str(name) for name in answers if name not in {question.id for question in questions}]
    if unknown:
        raise DataError(f"There are answers to unknown questions ({_some(unknown)}); are they of another benchmark?")
    missing = [str(question.id) for question in questions if question.id not in answers]
    if missing:
        raise DataError(f"{len(missing)} questions have no answer ({_some(missing)}); answer every question.")
    tasks = []
    for repeat in range(repeats):
        for question in questions:
            for swapped in (False, True)[: 1 + both_orders]:
                answer = answers[question.id]
                shown = (question.reference, answer_text(answer) or "")
                first, second = shown[::-1] if swapped else shown
                told = messages(
                    question.context, question.text, first, second, rules.of(question.category, question.sees)
                )
                key = reply_key(settings, told, repeat)
                tasks.append(Task(question, answer, repeat, swapped, told, key))
    return tasks


def run_judge(
    tasks: Sequence[Task],
    judge: Judge,
    out: Path,
    cache: ReplyCache | None = None,
    parallel: int = 4,
    on_review: Callable[[int, int], None] | None = None,
) -> None:
    """Ask what ``out`` does not hold yet; rows are appended as they come, so a stopped run goes on from there.

    Args:
        parallel: requests at once. on_review: told how many of how many are there.

    Raises:
        JudgeError: a request that asking again does not mend ends the run at once; others are told at the end, when all
            that could be had is written. DataError: ``out`` holds reviews of something else. StorageError.
    """
    done = _kept(out, tasks)
    left = [task for task in tasks if task.key not in done]
    count, failed = len(tasks) - len(left), list[tuple[Task, JudgeError]]()
    pool = ThreadPoolExecutor(max_workers=parallel)
    try:
        with _appending(out) as write:
            running: dict[Future[tuple[Reply, bool]], Task] = {}
            waiting = iter(left)
            while True:
                for task in waiting:
                    running[pool.submit(_reply, task, judge, cache)] = task
                    if len(running) >= parallel:
                        break
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        reply, cached = future.result()
                    except JudgeError as error:
                        if error.status in _FINAL:
                            raise
                        failed.append((task, error))
                        continue
                    write(task.row(reply, str(judge.settings()["model"]), cached))
                    count += 1
                    if on_review is not None:
                        on_review(count, len(tasks))
    finally:
        judge.close()
        pool.shutdown(wait=True, cancel_futures=True)
    if failed:
        names = _some([str(task.question.id) for task, _ in failed])
        raise JudgeError(
            f"{len(failed)} of {len(tasks)} reviews could not be had (questions {names}); run the same command again, "
            f"the others are kept. The last failure: {failed[-1][1]}"
        )


def _reply(task: Task, judge: Judge, cache: ReplyCache | None) -> tuple[Reply, bool]:
    """The reply, and whether it was kept from before."""
    kept = None if cache is None else cache.get(task.key)
    if kept is not None:
        return kept, True
    reply = judge(task.messages)
    if cache is not None:
        cache.put(task.key, reply)
    return reply, False


def _kept(out: Path, tasks: Sequence[Task]) -> set[str]:
    """Keys of the reviews that are there already; a last line that a kill cut off is taken away."""
    if not out.exists():
        return set()
    _drop_cut_line(out)
    known = {task.key for task in tasks}
    keys: set[str] = set()
    for place, row in read_jsonl(out):
        key = None if isinstance(row, BadRow) or not isinstance(row, dict) else row.get("key")
        if key not in known:
            raise DataError(
                f"{out}, {place}: this review is of another answer, question, rule or judge; choose another --out."
            )
        keys.add(str(key))
    return keys


def _drop_cut_line(out: Path) -> None:
    content = out.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with out.open("r+b") as file:
            file.truncate(whole)


@contextmanager
def _appending(out: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function that appends rows to a file, each flushed."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:

            def write(row: Mapping[str, Any]) -> None:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()

            yield write
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"Cannot write {str(out)!r} ({error}); make room or choose another --out.") from error


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
