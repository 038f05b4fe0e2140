"""From reviews to relative scores: the ratio of the means, over all questions and for each category."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from vistune.errors import DataError
from vistune.evaluate.judge.parse import Pair
from vistune.evaluate.judge.reviews import Review
from vistune.evaluate.metrics import Score, interval
from vistune.evaluate.metrics.score import Weights


def summarize(reviews: Sequence[Review], published: bool = False) -> dict[str, Any]:
    """Means of both answers' scores and their ratio (LLaVA section 5.1; summarize_gpt_review.py).

    Reviews without a line of scores are listed and left out of every mean.

    Args:
        published: as the released summary: the stored pairs are taken, and what cannot be read counts as -1, -1.

    Returns:
        mean_1, mean_2 (1 to 10), relative_score (100 x mean_2 / mean_1), its 95 % interval (bootstrap over reviews),
        n (reviews that count), unparsed (ids of questions), categories ({name: the same figures}), and where there are
        several rounds, rounds ({"n", "mean", "deviation"} of the relative scores, and of each category's).

    Raises:
        DataError: no review holds scores.
    """
    pairs = [(review, review.published_scores if published else review.scores) for review in reviews]
    counted = [(review, pair) for review, pair in pairs if pair is not None]
    if not counted:
        first = reviews[0].text.split("\n")[0][:80]
        raise DataError(
            f"None of the {len(reviews)} reviews begins with a line of two scores (the first begins with {first!r}); "
            "check the judge, or its rules."
        )
    unparsed = list(dict.fromkeys(review.question_id for review, pair in pairs if pair is None))
    names = sorted({review.category for review, _ in counted if review.category})
    summary: dict[str, Any] = {
        **_figures([pair for _, pair in counted]),
        "unparsed": unparsed,
        "categories": {name: _figures([pair for review, pair in counted if review.category == name]) for name in names},
    }
    rounds = sorted({review.repeat for review, _ in counted})
    if len(rounds) > 1:
        summary["rounds"] = _rounds(counted, rounds)
        for name in names:
            of_category = [(review, pair) for review, pair in counted if review.category == name]
            summary["categories"][name]["rounds"] = _rounds(of_category, rounds)
    return summary


def _figures(pairs: Sequence[Pair]) -> dict[str, Any]:
    scores = np.asarray(pairs)  # (n, 2)
    mean_1, mean_2 = scores.mean(axis=0)
    relative = _relative(float(mean_1), float(mean_2))
    low, high = interval(Score(relative, scores[:, 1].tolist(), figures=lambda weights: _ratios(weights, scores)))
    return {
        "mean_1": float(mean_1),
        "mean_2": float(mean_2),
        "relative_score": relative,
        "interval": [low, high],
        "n": len(pairs),
    }


def _ratios(weights: Weights, scores: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
    sums = weights @ scores
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[:, 0] == 0, np.nan, 100 * sums[:, 1] / sums[:, 0])


def _relative(mean_1: float, mean_2: float) -> float:
    if mean_1 == 0:
        raise DataError("The first answers have a mean score of 0, so there is no relative score; check their order.")
    return 100 * mean_2 / mean_1


def _rounds(counted: Sequence[tuple[Review, Pair]], rounds: Sequence[int]) -> dict[str, Any]:
    """The relative score of every round that has one, their mean, and the deviation of a sample of rounds."""
    found: list[float] = []
    for number in rounds:
        pairs = [pair for review, pair in counted if review.repeat == number]
        if pairs:
            found.append(_relative(*(statistics.fmean(column) for column in zip(*pairs, strict=True))))
    deviation = statistics.stdev(found) if len(found) > 1 else None
    return {"n": len(found), "mean": statistics.fmean(found), "deviation": deviation}
