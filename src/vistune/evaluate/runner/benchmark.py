"""One model on one benchmark: asks what is not finished yet, over all processes, and scores on the main one."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.counting import count_of
from vistune.errors import ImageError
from vistune.evaluate.benchmarks import Given
from vistune.evaluate.runner.asking import How, answer_windows, best_of, fits, rows_to_ask, scores_in_order
from vistune.evaluate.runner.outcome import ROWS, Asked, BenchmarkResult, score_of, write_rows
from vistune.evaluate.runner.plan import Row, plan
from vistune.evaluate.runner.progress import Progress
from vistune.evaluate.runner.store import Answered, Writer, merge_parts
from vistune.evaluate.runner.together import alike
from vistune.infer.prefix import reads_pictures_once

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark
    from vistune.evaluate.protocols import Protocol
    from vistune.infer.predictor import Predictor
    from vistune.train.parallel.processes import Processes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machinery:
    """What answers: a loaded model, its key (`vistune.evaluate.runner.keys.model_key`), and who computes."""

    predictor: Predictor
    key: str
    processes: Processes
    batch_size: int = 16

    @property
    def dtype(self) -> str:
        """In which the language model computes, as in "bfloat16"."""
        return str(next(self.predictor.model.language.parameters()).dtype).removeprefix("torch.")


def evaluate_benchmark(
    machinery: Machinery, benchmark: Benchmark, protocol: Protocol, examples: Sequence[Example], folder: Path
) -> BenchmarkResult | None:
    """Answer, score and write down.

    Answers that stand in the folder already are taken where model, prompt, settings, candidates and pictures are
    equal; the others are asked for, and each batch of them is on disk before the next begins.

    Args:
        examples: of ``benchmark.examples``. folder: of this benchmark.

    Returns:
        None on processes other than the main one.

    Raises:
        ImageError, InputError, DataError: a picture, a prompt or the data cannot be used. StorageError: a full disk.
    """
    started = time.monotonic()
    how = How.of(protocol, benchmark)

    def put_in_words() -> list[Example]:
        return [protocol.prompt(benchmark, example) for example in examples]

    prompted = alike(machinery.processes, put_in_words)
    try:
        rows = rows_to_ask(machinery.predictor.processor, prompted, how, machinery.key, machinery.processes)
        found, reused = answer_rows(machinery, rows, how, folder, benchmark.name)
    except ImageError as error:
        raise with_row(error, examples) from error
    if found is None:
        return None
    given, sent = [], []
    for example, words, row in zip(examples, prompted, rows, strict=True):
        answered = found[row.key]
        given.append(_given(protocol, benchmark, example, words, answered))
        # The prompt of this row: an equal one may have been answered under another id.
        sent.append({**answered, "prompt": row.prompt, **_shown(words, answered, given[-1])})
    settings = {**protocol.settings(benchmark), "batch_size": machinery.batch_size, "dtype": machinery.dtype}
    asked = Asked(examples, prompted, given, sent, settings, reused)
    score = score_of(benchmark, examples, given, folder)
    write_rows(folder / ROWS, asked, score)
    return BenchmarkResult(benchmark, protocol.name, score, asked, folder / ROWS, time.monotonic() - started)


def answer_rows(
    machinery: Machinery, rows: Sequence[Row], how: How, folder: Path, name: str
) -> tuple[dict[str, Answered] | None, int]:
    """All answers by key, None on other processes than the main one, and how many rows an earlier run had answered."""
    processes = machinery.processes
    wanted = {row.key: row for row in rows}
    known: dict[str, Answered] = merge_parts(folder) if processes.is_main else {}
    odd = {key for key, row in wanted.items() if key in known and not fits(known[key], row)}
    if odd:
        logger.warning("%s holds %s that fit no row; asked for again.", folder, count_of(len(odd), "answer"))
    finished = processes.broadcast({key for key in wanted if key in known} - odd)
    reused = sum(row.key in finished for row in rows)
    # Equal rows (one question asked twice of a picture) are answered once.
    left = [row for key, row in wanted.items() if key not in finished]
    windows = plan(
        left, machinery.batch_size, processes.rank, processes.size, reads_pictures_once(machinery.predictor.model)
    )
    progress = Progress(name, sum(len(batch) for window in windows for batch in window), quiet=not processes.is_main)
    writer = Writer(folder, processes.rank)
    mine: list[Answered] = []
    try:
        for done in answer_windows(machinery.predictor, windows, how, machinery.batch_size):
            writer.add(done)
            mine += done
            progress.add(len(done))
    finally:
        writer.close()
        progress.close()
    parts = processes.collect(mine)
    if not processes.is_main:
        return None, reused
    return merge_parts(folder, {row["key"]: row for part in parts for row in part}), reused


def with_row(error: ImageError, examples: Sequence[Example]) -> ImageError:
    """The error with the row that the picture belongs to."""
    for example in examples:
        if error.ref is not None and any(ref is error.ref for ref in example.images):
            message = str(error)
            return ImageError(f"Row {example.id!r}: {message[:1].lower()}{message[1:]}", error.ref)
    return error


def _shown(prompted: Example, answered: Answered, given: Given) -> dict[str, Any]:
    """The answer, and scores in the order of the row's own candidates where all are known."""
    if "scores" not in answered:
        return {"answer": given.answer}
    if "of" in answered:
        return {"answer": best_of(answered)}
    return {"answer": best_of(answered), "candidates": list(prompted.candidates or ()), "scores": given.scores}


def _given(protocol: Protocol, benchmark: Benchmark, example: Example, prompted: Example, answered: Answered) -> Given:
    if "scores" in answered:
        return Given(scores=scores_in_order(answered, prompted.candidates or ()))
    text = str(answered["text"])
    return Given(answer=protocol.extract(benchmark, example, text), text=text)
