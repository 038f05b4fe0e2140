"""Every question put to the judge, several at once, each reply written as it comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import BadRow
from vistune.data.counting import count_of
from vistune.data.readers import read_jsonl
from vistune.errors import DataError, JudgeError, StorageError
from vistune.evaluate.judge.cache import ReplyCache
from vistune.evaluate.judge.judges import Judge, Reply
from vistune.evaluate.judge.keyed import some
from vistune.evaluate.judge.rules import Message

# What asking again does not change.
_FINAL = (400, 401, 403, 404, 422)
# So many failures before the first reply, and the judge is taken to be away; each has had its own retries.
_HOPELESS = 8
_PARTING = 2.0


@dataclass(frozen=True)
class Task:
    """One reply to be had.

    Args:
        name: the question's id. key: hash of all that the reply depends on.
        read: what the judge's words say, as the first fields of the row that is written.
    """

    name: str
    messages: Sequence[Message]
    key: str
    read: Callable[[str], dict[str, Any]]

    def row(self, reply: Reply, model: str, cached: bool) -> dict[str, Any]:
        """The row with what it took."""
        return {
            **self.read(reply.text),
            "model": model,
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "cached": cached,
            "key": self.key,
        }


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
        JudgeError: a request that asking again does not mend, or a judge that never replies, ends the run at once;
            others are told at the end, when all that could be had is written. DataError: ``out`` holds reviews of
            something else. StorageError.
    """
    done = _kept(out, tasks)
    left = [task for task in tasks if task.key not in done]
    had, failed = 0, list[tuple[Task, JudgeError]]()
    running: dict[Future[tuple[Reply, bool]], Task] = {}
    try:
        with _appending(out) as write:
            waiting = iter(left)
            while True:
                for task in waiting:
                    running[_begun(task, judge, cache)] = task
                    if len(running) >= parallel:
                        break
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        reply, cached = future.result()
                    except JudgeError as error:
                        failed.append((task, error))
                        if error.status in _FINAL or (not had and len(failed) >= max(_HOPELESS, 2 * parallel)):
                            raise
                        continue
                    write(task.row(reply, str(judge.settings()["model"]), cached))
                    had += 1
                    if on_review is not None:
                        on_review(len(tasks) - len(left) + had, len(tasks))
    finally:
        # After Ctrl-C: what is about to come is paid for, and goes into the cache; a judge that hangs is left.
        wait(running, timeout=_PARTING)
        judge.close()
    if failed:
        names = some([task.name for task, _ in failed])
        raise JudgeError(
            f"{len(failed)} of {count_of(len(tasks), 'review')} could not be had (questions {names}); run the same "
            f"command again, the others are kept. The last failure: {failed[-1][1]}"
        )


def _begun(task: Task, judge: Judge, cache: ReplyCache | None) -> Future[tuple[Reply, bool]]:
    """A request in a thread of its own that nobody has to wait for: the program may end while it hangs."""
    future: Future[tuple[Reply, bool]] = Future()

    def work() -> None:
        try:
            future.set_result(_reply(task, judge, cache))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


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
                f"{out}, line {place.line}: this review is of another answer, question, rule or judge; choose another "
                "--out."
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
