"""What a judge said of a run's answers, kept beside them as judged.json, and the answers written for a judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vistune.data.storage import written_whole
from vistune.evaluate.judge.grades import Grade, pairs_by_question, summarize_grades
from vistune.evaluate.judge.parse import Pair
from vistune.evaluate.judge.ratios import ratio_score
from vistune.evaluate.judge.reviews import Review
from vistune.evaluate.judge.summary import counted_reviews, summarize, sums_by_question
from vistune.evaluate.metrics import Score

ANSWERS, JUDGED = "judge_answers.jsonl", "judged.json"


@dataclass(frozen=True)
class Judgement:
    """What came of judging the answers to a benchmark.

    Args:
        answers: fingerprint of the answers that were judged, see `fingerprint`.
        figures: by question, what its ratio is made of (`vistune.evaluate.judge.ratios`). details: for results.json.
    """

    answers: str
    figures: Mapping[str, Pair]
    details: Mapping[str, Any]

    def score(self, ids: Sequence[str]) -> Score:
        """The figure, over the questions in this order; those without a score do not count."""
        pairs = [self.figures.get(name) for name in ids]
        found = ratio_score([None if pair is None else (pair[0], pair[1]) for pair in pairs])
        return Score(found.value, found.per_sample, dict(self.details), figures=found.figures)

    def keep(self, folder: Path) -> None:
        """Write it into a benchmark's folder of a run.

        Raises:
            StorageError: the disk is full or does not allow it.
        """
        with written_whole(folder / JUDGED) as part:
            part.write_text(json.dumps(asdict(self), ensure_ascii=False) + "\n", encoding="utf-8")


def judgement_of_reviews(reviews: Sequence[Review], answers: Mapping[str, str]) -> Judgement:
    """LLaVA-Bench's.

    Args:
        answers: what was judged, by question.

    Raises:
        DataError: no review holds scores.
    """
    summary = summarize(reviews)
    figures = sums_by_question(counted_reviews(reviews))
    told = {name: summary[name] for name in ("mean_1", "mean_2")}
    told |= {"read": summary["n"], "replies": len(reviews), "both_orders": any(review.swapped for review in reviews)}
    parts = {
        name: {"value": part["relative_score"], "interval": part["interval"], "n": part["n"]}
        for name, part in summary["categories"].items()
    }
    details = _details([review.judge for review in reviews], summary, told, parts)
    return Judgement(fingerprint(answers), figures, details)


def judgement_of_grades(grades: Sequence[Grade], answers: Mapping[str, str]) -> Judgement:
    """MM-Vet's; arguments and errors as of `judgement_of_reviews`."""
    summary = summarize_grades(grades)
    told = {"read": sum(grade.score is not None for grade in grades), "replies": len(grades)}
    details = _details([grade.judge for grade in grades], summary, told, summary["capabilities"])
    details["combinations"] = summary["combinations"]
    return Judgement(fingerprint(answers), pairs_by_question(grades), details)


def _details(
    judges: Sequence[str], summary: Mapping[str, Any], told: Mapping[str, Any], parts: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "judge": ", ".join(dict.fromkeys(judges)),
        "judged": datetime.now(UTC).isoformat(timespec="seconds"),
        **told,
        "unparsed": summary["unparsed"],
        **({"rounds": summary["rounds"]} if "rounds" in summary else {}),
        "parts": dict(parts),
    }


def kept_score(folder: Path, answers: Mapping[str, str]) -> Score | None:
    """The figure that a judge gave these very answers, in their order; None where it has not seen them."""
    try:
        kept = Judgement(**json.loads((folder / JUDGED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return kept.score(list(answers)) if kept.answers == fingerprint(answers) else None


def fingerprint(answers: Mapping[str, str]) -> str:
    """Hash of answers by question, in whatever order."""
    content = json.dumps(sorted(answers.items()), ensure_ascii=False)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def write_answers(path: Path, answers: Mapping[str, str], prompts: Sequence[str], model: str) -> None:
    """JSON lines in the form of LLaVA's answers, which its own scripts take too.

    Raises:
        StorageError: the disk is full or does not allow it.
    """
    with written_whole(path) as part, part.open("w", encoding="utf-8") as file:
        for (name, text), prompt in zip(answers.items(), prompts, strict=True):
            row: dict[str, Any] = {
                "question_id": int(name) if name.isdecimal() and str(int(name)) == name else name,
                "prompt": prompt,
                "text": text,
                "answer_id": fingerprint({name: text}),
                "model_id": model,
                "metadata": {},
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
