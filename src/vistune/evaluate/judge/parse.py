"""The pair of scores in a judge's review."""

from __future__ import annotations

Pair = tuple[float, float]


def parse_scores(review: str) -> Pair | None:
    """The two scores of a review's first line, or None where it does not hold exactly two numbers.

    As published (LLaVA, eval_gpt_review_visual.py): commas count as spaces, one space parts the two. ``8/10 9/10``, two
    spaces, or prose in the first line are no scores.
    """
    parts = review.split("\n")[0].replace(",", " ").split(" ")
    if len(parts) != 2:
        return None
    try:
        first, second = float(parts[0]), float(parts[1])
    except ValueError:
        return None
    return (first, second) if _is_score(first) and _is_score(second) else None


def _is_score(value: float) -> bool:
    """Neither "nan" nor "inf" nor -1, which published files hold where a review could not be read."""
    return 0 <= value < float("inf")
