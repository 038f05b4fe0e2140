"""From reviews to relative scores: the ratio of the means, over all questions and for each category."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from vistune.data.counting import count_of
from vistune.errors import DataError
from vistune.evaluate.judge.parse import Pair
from vistune.evaluate.judge.ratios import in_order, ratio_score
from vistune.evaluate.judge.reviews import Review
from vistune.evaluate.metrics import Score

Counted = tuple[Review, Pair]
"""A review and the scores that count for it."""


def summarize(reviews: Sequence[Review], published: bool = False) -> dict[str, Any]:
    """Means of both answers' scores and their ratio (LLaVA section 5.1; summarize_gpt_review.py).

    Reviews without a line of scores are listed and left out of every mean.

    Args:
        published: as the released summary: the stored pairs are taken, and what cannot be read counts as -1, -1.

    Returns:
        mean_1, mean_2 (1 to 10), relative_score (100 x mean_2 / mean_1), its 95 % interval (bootstrap over questions),
        n (reviews that count), unparsed (ids of questions), categories ({name: the same figures}), and where there are
        several rounds, rounds ({"n", "mean", "deviation"} of the relative scores, and of each category's).

    Raises:
        DataError: no review holds scores.
    """
    counted = counted_reviews(reviews, published)
    every = in_order(str(review.question_id) for review in reviews)
    unparsed = {} if published else {str(r.question_id): r.question_id for r in reviews if r.scores is None}
    names = sorted({review.category for review, _ in counted if review.category})
    return {
        **_figures(counted, every),
        "unparsed": [unparsed[name] for name in in_order(unparsed)],
        "categories": {name: _figures([row for row in counted if row[0].category == name], every) for name in names},
    }


def counted_reviews(reviews: Sequence[Review], published: bool = False) -> list[Counted]:
    """Those with scores; arguments and errors as of `summarize`."""
    pairs = [(review, review.published_scores if published else review.scores) for review in reviews]
    counted = [(review, pair) for review, pair in pairs if pair is not None]
    if not counted:
        first = reviews[0].text.split("\n")[0][:80]
        raise DataError(
            f"None of {count_of(len(reviews), 'review')} begins with a line of two scores (the first begins with "
            f"{first!r}); check the judge, or its rules."
        )
    return counted


def sums_by_question(counted: Sequence[Counted]) -> dict[str, Pair]:
    """Each question's scores of both answers, added up over its reviews."""
    found: dict[str, Pair] = {}
    for review, (first, second) in counted:
        known = found.get(str(review.question_id), (0.0, 0.0))
        found[str(review.question_id)] = (known[0] + first, known[1] + second)
    return found


def spread(figures: Sequence[float]) -> dict[str, Any]:
    """Of the figures of several rounds: how many, their mean, and the deviation of a sample (None of a single one)."""
    deviation = statistics.stdev(figures) if len(figures) > 1 else None
    return {"n": len(figures), "mean": statistics.fmean(figures), "deviation": deviation}


def _figures(counted: Sequence[Counted], every: Sequence[str]) -> dict[str, Any]:
    """Of some reviews; every: all questions, in order."""
    score = _score(counted, every)
    found: dict[str, Any] = {
        "mean_1": statistics.fmean(first for _, (first, _) in counted),
        "mean_2": statistics.fmean(second for _, (_, second) in counted),
        "relative_score": score.value,
        "interval": list(score.interval()),
        "n": len(counted),
    }
    rounds: dict[int, list[Counted]] = {}
    for row in counted:
        rounds.setdefault(row[0].repeat, []).append(row)
    if len(rounds) > 1:
        found["rounds"] = spread([_score(rows, every).value for rows in rounds.values()])
    return found


def _score(counted: Sequence[Counted], every: Sequence[str]) -> Score:
    sums = sums_by_question(counted)
    return ratio_score([sums.get(name) for name in every])
