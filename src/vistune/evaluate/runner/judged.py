"""Judged answers in a run's folder: written for the judge, and its judgement put where `vistune eval` puts figures."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.data.example import Example
from vistune.data.readers import read_jsonl
from vistune.errors import DataError
from vistune.evaluate.benchmarks import Benchmark, Given
from vistune.evaluate.judge.kept import ANSWERS, Judgement, fingerprint, write_answers
from vistune.evaluate.runner.outcome import Asked, BenchmarkResult, answers_by_id, write_rows
from vistune.evaluate.runner.results import RESULTS, read_results, write_content


def write_for_judge(result: BenchmarkResult, model: str, data_root: Path | None) -> str:
    """Write a benchmark's answers beside its rows in the form that a judge takes.

    Returns:
        The command that lets a judge see them.

    Raises:
        StorageError: the disk is full or does not allow it.
    """
    asked, path = result.asked, result.rows.with_name(ANSWERS)
    answers = answers_by_id(asked.examples, asked.given)
    write_answers(path, answers, [example.instruction for example in asked.prompted], model)
    benchmark, info = result.benchmark, result.benchmark.info
    folder = benchmark.root or (data_root or Path()) / (info.folder if info else "")
    command = "mm-vet" if benchmark.source == "mm_vet" else "run"
    return f"vistune judge {command} {shlex.quote(str(folder))} {shlex.quote(str(path))} --model JUDGE"


@dataclass(frozen=True)
class JudgedRun:
    """A run whose answers are judged. limited: it did not ask every question."""

    folder: Path
    name: str
    limited: bool


def run_of(answers: Path) -> JudgedRun | None:
    """The run that a file of answers belongs to; None for any other file.

    Raises:
        DataError: its results.json is damaged.
    """
    folder = answers.parent.parent
    if answers.name != ANSWERS or not (folder / RESULTS).is_file():
        return None
    content = read_results(folder)
    entry = next((entry for entry in content["benchmarks"] if entry["name"] == answers.parent.name), None)
    if entry is None or entry.get("metric") != "judge":
        return None
    return JudgedRun(folder, entry["name"], entry.get("limit", content.get("limit")) is not None)


def put_into_run(run: JudgedRun, judgement: Judgement) -> Path:
    """Rows with scores, the benchmark's entry in results.json, and the report, with what the judge said.

    Returns:
        report.html.

    Raises:
        DataError: rows or results are damaged. StorageError: the disk is full or does not allow it.
    """
    from vistune.evaluate.report import analyse, write_report

    content = read_results(run.folder)
    old = next(entry for entry in content["benchmarks"] if entry["name"] == run.name)
    rows = run.folder / old["rows"]
    benchmark = _benchmark(old)
    asked = _asked(old, rows)
    if judgement.answers != fingerprint(answers_by_id(asked.examples, asked.given)):
        raise DataError(
            f"The answers that were judged are not those of {str(rows)!r}, so its results stay as they are; run "
            "`vistune eval` again for a file of its answers."
        )
    judgement.keep(rows.parent)
    score = judgement.score([example.id for example in asked.examples])
    write_rows(rows, asked, score)
    analysis = analyse(
        benchmark, asked.examples, asked.prompted, asked.given, score, mistakes=rows.with_suffix(".mistakes.json")
    )
    result = BenchmarkResult(benchmark, old["protocol"], score, asked, rows, old["seconds"], analysis=analysis)
    new = {**old, **result.entry(run.folder), "submission": old["submission"]}
    content["benchmarks"] = [new if entry is old else entry for entry in content["benchmarks"]]
    write_content(run.folder, content)
    return write_report(run.folder)


def _benchmark(entry: dict[str, Any]) -> Benchmark:
    """As it was when it was asked, whatever has become of its data."""
    return Benchmark(
        name=entry["name"],
        title=entry["title"],
        source=entry["source"],
        split=entry["split"],
        metric="judge",
        form="long",
        role=entry["role"],
        choices=entry["choices"],
    )


def _asked(entry: dict[str, Any], path: Path) -> Asked:
    """What was asked and answered, from the rows on disk."""
    questions = {str(row["question_id"]): row["prompt"] for row in _rows(path.with_name(ANSWERS))}
    rows = list(_rows(path))
    examples = [
        Example(
            row["id"],
            entry["source"],
            instruction=questions.get(row["id"], ""),
            question=questions.get(row["id"], ""),
            images=tuple(map(Path, row["images"])),
            references=tuple(row["references"]),
            parts=tuple(row["parts"]),
        )
        for row in rows
    ]
    given = [Given(answer=row["answer"]) for row in rows]
    return Asked(examples, examples, given, rows, entry["settings"], entry["reused"])


def _rows(path: Path) -> list[dict[str, Any]]:
    found = [row for _, row in read_jsonl(path)]
    damaged = next((row for row in found if not isinstance(row, dict)), None)
    if damaged is not None:
        raise DataError(f"{str(path)!r} is damaged ({damaged}); run `vistune eval` again.")
    return found
