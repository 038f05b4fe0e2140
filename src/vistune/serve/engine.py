"""One thread that owns the model: waiting answers with the same settings are written in one batch.

An answer does not depend on who else is in its batch: each row has its own stream of random numbers and its own end.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from vistune.serve.jobs import Failed, Job
from vistune.serve.refusal import Refusal

if TYPE_CHECKING:
    from vistune.infer.predictor import Predictor
    from vistune.serve.watch import Watch

logger = logging.getLogger(__name__)

State = Literal["loading", "ready", "stopping", "broken"]
_WORDS: dict[State, str] = {
    "loading": "The model is still being loaded; try again in a moment.",
    "stopping": "The server is shutting down; ask another one, or later.",
    "broken": "The model's device failed and nothing can be answered until the server is started again.",
}


@dataclass(frozen=True)
class BatchReport:
    """Figures of a batch that is over: its rows and seconds."""

    rows: int
    seconds: float


class Engine:
    """Answers jobs with a model that is loaded later.

    Args:
        max_batch: most rows at once. max_queue: most answers that wait.
        report: called with the figures of every batch.
    """

    def __init__(self, max_batch: int, max_queue: int, report: Callable[[BatchReport], None] = lambda _: None) -> None:
        self.max_batch = max_batch
        self.max_queue = max_queue
        self._report = report
        self._state: State = "loading"
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._last_seconds = 1.0
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> State:
        """Whether it answers, and if not, why."""
        return self._state

    @property
    def waiting(self) -> int:
        """Answers that nobody works on yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Answers of the batch under way."""
        return len(self._running)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._changed:
            return not self._waiting and not self._running

    def start(self, predictor: Predictor) -> None:
        """Begin to answer."""
        with self._changed:
            if self._state != "loading":
                return
            self._state = "ready"
            self._thread = threading.Thread(target=self._work, args=(predictor,), name="vistune-model", daemon=True)
            self._thread.start()

    def check_room(self, wanted: int) -> None:
        """Do nothing where so many answers could be put into the queue.

        Raises:
            Refusal: 429, the queue is full; 503, nothing is answered now.
        """
        if self._state != "ready":
            raise self.refusal()
        if len(self._waiting) + wanted > self.max_queue:
            raise Refusal(
                f"{len(self._waiting)} answers are waiting already, at most {self.max_queue} may; try again later.",
                429,
                code="queue_full",
                retry_after=max(1, round(self._last_seconds * len(self._waiting) / self.max_batch)),
            )

    def refusal(self) -> Refusal:
        """Why nothing is answered now."""
        message = _WORDS.get(self._state, "The server is not ready.")
        return Refusal(message, 503, code=f"server_{self._state}", retry_after=None if self._state == "broken" else 5)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Put answers into the queue, all or none.

        Raises:
            Refusal: 429, the queue is full; 503, nothing is taken now.
        """
        with self._changed:
            self.check_room(len(jobs))
            self._waiting.extend(jobs)
            self._changed.notify_all()

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Nobody waits for these any more: drop what waits, stop what is being written."""
        with self._changed:
            for job in jobs:
                job.cancelled.set()
            self._waiting = deque(job for job in self._waiting if not job.cancelled.is_set())

    def close(self) -> None:
        """Take no more, turn away what waits, and finish what is being written."""
        with self._changed:
            if self._state != "broken":
                self._state = "stopping"
            turned_away, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        _fail(turned_away, self.refusal())

    def abort(self, timeout: float) -> None:
        """Close, and stop what is being written; wait for the thread so long."""
        self.close()
        with self._changed:
            running = list(self._running)
        for job in running:
            job.cancelled.set()
        _fail(running, self.refusal())
        self.join(timeout)

    def join(self, timeout: float) -> None:
        """Wait for the thread of a closed engine to end."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _work(self, predictor: Predictor) -> None:
        try:
            while jobs := self._next():
                start = time.monotonic()
                self._answer(predictor, jobs)
                self._last_seconds = time.monotonic() - start
                with self._changed:
                    self._running = []
                self._report(BatchReport(len(jobs), self._last_seconds))
                jobs = []  # their pictures are not kept until somebody asks again
        finally:
            with self._changed:
                if self._state == "ready":
                    self._state = "broken"
                left, self._waiting, self._running = [*self._running, *self._waiting], deque(), []
            _fail(left, self.refusal())

    def _next(self) -> list[Job]:
        """The job that waits longest, and others that may go with it; [] when the engine is closed."""
        with self._changed:
            while not self._waiting and self._state == "ready":
                self._changed.wait()
            if self._state != "ready":
                return []
            kind = self._waiting[0].kind
            chosen = [job for job in self._waiting if job.kind == kind][: self.max_batch]
            self._waiting = deque(job for job in self._waiting if job not in chosen)
            self._running = chosen
            return chosen

    def _answer(self, predictor: Predictor, jobs: Sequence[Job]) -> None:
        """Write one batch. If it fails, rows of which nothing was said yet are tried alone."""
        import torch

        from vistune.serve.watch import Watch

        watch = Watch(jobs, predictor.processor)
        try:
            _generate(predictor, jobs, watch)
        except torch.AcceleratorError as error:
            logger.error("The model's device failed\n%s", traceback.format_exc())
            with self._changed:
                self._state = "broken"
            _fail([row.job for row in watch.rows if not row.done], error)
        except Exception as error:
            left = [row for row in watch.rows if not row.done and not row.job.cancelled.is_set()]
            again = [row.job for row in left if len(jobs) > 1 and not row.spoken]
            words = "The model failed on a batch of %d, of which %d are tried alone\n%s"
            logger.error(words, len(jobs), len(again), traceback.format_exc())
            # Who is told of the error keeps it; what the batch had in memory is to go before the next.
            traceback.clear_frames(error.__traceback__)
            _fail([row.job for row in left if row.job not in again], error)
            for job in again:
                self._answer(predictor, [job])


def _generate(predictor: Predictor, jobs: Sequence[Job], watch: Watch) -> None:
    from vistune.infer.generation import generate_batch

    settings = jobs[0].settings
    if not jobs[0].searches:
        # Each row's own end is seen to by the watch.
        longest = max(job.settings.max_new_tokens or 0 for job in jobs)
        settings = replace(settings, max_new_tokens=longest, stop=())
    with watch.scores_of(predictor.model.language.model):
        answers = generate_batch(
            predictor.model,
            predictor.processor,
            [job.sample for job in jobs],
            settings,
            [job.number for job in jobs],
            [watch],
        )
    watch.finish(answers, predictor.processor.pad_id)


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    for job in jobs:
        job.tell(Failed(error))
