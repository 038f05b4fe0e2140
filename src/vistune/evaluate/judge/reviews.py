"""Rows of a file of reviews, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vistune.data.bad_rows import BadRow
from vistune.data.readers import read_jsonl
from vistune.errors import DataError
from vistune.evaluate.judge.parse import Pair, parse_scores

UNREADABLE = (-1.0, -1.0)
"""What published files hold where a review could not be read."""


@dataclass(frozen=True)
class Review:
    """What a judge said of one question.

    Args:
        question_id: as in the questions. category: "" where there is none. text: the judge's own words.
        stored: the pair that the file holds beside them, if any (``tuple`` or ``score``). repeat: which round.
        swapped: the answers were shown in the other order, so the first score is that of the second answer.
        judge: who said it, "" where the file does not tell.
    """

    question_id: Any
    category: str
    text: str
    stored: Pair | None = None
    repeat: int = 0
    swapped: bool = False
    judge: str = ""

    @property
    def scores(self) -> Pair | None:
        """(score of answer 1, score of answer 2) as the words say; None where they do not."""
        pair = parse_scores(self.text)
        return (pair[1], pair[0]) if pair is not None and self.swapped else pair

    @property
    def published_scores(self) -> Pair:
        """As the released summary takes them: the stored pair, and -1, -1 for what cannot be read."""
        return self.stored or self.scores or UNREADABLE


def read_reviews(path: Path) -> list[Review]:
    """All reviews of a file of JSON lines, with the judge's words in ``content`` or ``text``.

    Raises:
        DataError: a row that is none, the same question twice in one round, or no rows.
    """
    reviews: list[Review] = []
    seen: set[tuple[Any, int, bool]] = set()
    for place, record in read_jsonl(path):
        if isinstance(record, BadRow):
            raise DataError(str(record))
        review = _review(record, str(place))
        key = (review.question_id, review.repeat, review.swapped)
        if key in seen:
            raise DataError(f"{place}: question {review.question_id!r} is reviewed twice; keep one of its rows.")
        seen.add(key)
        reviews.append(review)
    if not reviews:
        raise DataError(f"{path} holds no reviews; expected JSON lines with question_id and content.")
    return reviews


def _review(record: Any, place: str) -> Review:
    if not isinstance(record, Mapping) or "question_id" not in record:
        raise DataError(f"{place}: expected an object with question_id and the review in content or text.")
    text = next((record[key] for key in ("content", "text") if isinstance(record.get(key), str)), None)
    if not isinstance(text, str):
        raise DataError(f"{place}: question {record['question_id']!r} has no review; expected text in content or text.")
    stored = record.get("tuple", record.get("score"))
    pair = (float(stored[0]), float(stored[1])) if isinstance(stored, list) and len(stored) == 2 else None
    return Review(
        question_id=record["question_id"],
        category=str(record.get("category") or ""),
        text=text,
        stored=pair,
        repeat=int(record.get("repeat", 0)),
        swapped=bool(record.get("swapped", False)),
        judge=str(record.get("model") or ""),
    )
