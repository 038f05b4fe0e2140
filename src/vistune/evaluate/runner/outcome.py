"""What came of one benchmark, and its rows on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.storage import written_whole
from vistune.evaluate.benchmarks.published import published

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark, Given
    from vistune.evaluate.metrics import Score

NO_ANSWERS = "no public answers"
BY_JUDGE = "scored by a judge"
ROWS = "rows.jsonl"


@dataclass(frozen=True)
class Asked:
    """What was asked and what was given, row by row.

    Args:
        examples: as the benchmark has them. prompted: in words. given: as they are scored.
        sent: of each row the prompt as sent, and raw text or candidates with their scores.
        settings: all that decides an answer beside model and data. reused: answers from an earlier run.
    """

    examples: Sequence[Example]
    prompted: Sequence[Example]
    given: Sequence[Given]
    sent: Sequence[dict[str, Any]]
    settings: dict[str, Any]
    reused: int = 0


@dataclass(frozen=True)
class BenchmarkResult:
    """A benchmark's outcome.

    Args:
        score: None where nothing can be scored here; ``note`` then says why. rows: the file of its rows.
        seconds: of asking and scoring, without loading the model. submission: the official file, if it was written.
        analysis: break-downs for the report. hint: of answers that a judge has to see, the command that lets it.
    """

    benchmark: Benchmark
    protocol: str
    score: Score | None
    asked: Asked
    rows: Path
    seconds: float
    submission: Path | None = None
    analysis: dict[str, Any] = field(default_factory=dict)
    hint: str = ""

    @property
    def note(self) -> str:
        """Why there is no figure, "" where there is one."""
        if self.score is not None:
            return ""
        return BY_JUDGE if self.benchmark.metric == "judge" else NO_ANSWERS

    def entry(self, run: Path) -> dict[str, Any]:
        """As it stands in results.json."""
        benchmark, score = self.benchmark, self.score
        submission = "" if self.submission is None else str(self.submission.relative_to(run))
        return {
            "name": benchmark.name,
            "title": benchmark.title,
            "protocol": self.protocol,
            "metric": benchmark.metric,
            "unit": benchmark.unit,
            "value": None if score is None else score.value,
            "interval": None if score is None else list(score.interval()),
            "n": len(self.asked.examples),
            "details": {} if score is None else score.details,
            "note": self.note,
            "published": [asdict(figure) for figure in published(benchmark.name)],
            "settings": self.asked.settings,
            "seconds": round(self.seconds, 3),
            "reused": self.asked.reused,
            "rows": str(self.rows.relative_to(run)),
            "mean_of_rows": score is not None and score.figures is None,
            "public_answers": benchmark.public_answers,
            "source": benchmark.source,
            "split": benchmark.split,
            "role": benchmark.role,
            "group": benchmark.group,
            "choices": benchmark.choices,
            "submission": submission,
            "analysis": self.analysis,
        }


def is_scored(benchmark: Benchmark) -> bool:
    """Whether a figure can be told here: the answers are public, and no judge is needed."""
    return benchmark.public_answers and benchmark.metric != "judge"


def score_of(benchmark: Benchmark, examples: Sequence[Example], given: Sequence[Given], folder: Path) -> Score | None:
    """The figure; of what a judge scores that which it gave these very answers before. None where there is none.

    Args:
        folder: of the benchmark in the run.
    """
    from vistune.evaluate.judge.kept import kept_score

    if benchmark.metric == "judge":
        return kept_score(folder, answers_by_id(examples, given))
    return benchmark.score(examples, given) if is_scored(benchmark) else None


def answers_by_id(examples: Sequence[Example], given: Sequence[Given]) -> dict[str, str]:
    """Answers in words by their rows' ids."""
    return {example.id: answer.answer or "" for example, answer in zip(examples, given, strict=True)}


def write_rows(path: Path, asked: Asked, score: Score | None) -> None:
    """One line a row, in the order of the data.

    Raises:
        StorageError: the disk is full or does not allow it.
    """
    with written_whole(path) as new, new.open("w", encoding="utf-8") as file:
        for number, (example, given, sent) in enumerate(zip(asked.examples, asked.given, asked.sent, strict=True)):
            row: dict[str, Any] = {
                "id": example.id,
                "prompt": sent.get("prompt"),
                "answer": sent.get("answer", given.answer),
                "score": None if score is None else _number(score.per_sample[number]),
                "references": list(example.references or ([example.target] if example.target is not None else [])),
                "parts": list(example.parts),
                "images": [str(ref) for ref in example.images if not hasattr(ref, "getpixel")],
                **{name: sent[name] for name in ("text", "of", "candidates", "scores") if name in sent},
            }
            if score is not None and score.columns:
                row["columns"] = {name: _number(values[number]) for name, values in score.columns.items()}
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _number(value: float) -> float | None:
    """None for what has no figure: JSON knows no NaN."""
    return float(value) if math.isfinite(value) else None
