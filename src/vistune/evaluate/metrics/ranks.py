"""Where the right candidate ends up: Visual Dialog's MRR, R@k, mean rank and NDCG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vistune.data.counting import count_of
from vistune.errors import InputError
from vistune.evaluate.metrics.checks import check_finite, check_pairs
from vistune.evaluate.metrics.score import Score, mean_score

Floats = NDArray[np.float64]
Ties = Literal["mean", "last"]

RECALLS = (1, 5, 10)


def retrieval_ranks(
    predictions: Sequence[Sequence[float]],
    references: Sequence[int | Mapping[str, Any]],
    *,
    relevance: Sequence[Sequence[float] | None] | None = None,
    ties: Ties = "mean",
) -> Score:
    """Mean reciprocal rank of the right candidate, 0..1; details: mrr, r@1, r@5, r@10 (0..1), mean_rank, and ndcg.

    NDCG is Visual Dialog's (Das et al. 2017, challenge): over the first k candidates, k being how many have some
    relevance; mean over the questions that have relevance.

    Args:
        predictions: a score for each candidate, higher is better.
        references: index of the right candidate, from 0; or a mapping that holds it as ``answer_index`` and may hold
            ``relevance``, as rows of a file do.
        relevance: how good each candidate is, per question; None for questions without.
        ties: candidates with equal scores share the mean of their ranks (in NDCG, of their gains); with ``last`` each
            has the worst of them (in NDCG, the least relevant come first).

    Raises:
        InputError: lengths differ, there is nothing to score, a score is NaN or infinite, an index is out of range, or
            a question's relevance has another length than its scores or is 0 for all.
    """
    check_pairs(predictions, references)
    if ties not in ("mean", "last"):
        raise InputError(f"ties is {ties!r}; expected 'mean' or 'last'.")
    if relevance is not None and len(relevance) != len(predictions):
        raise InputError(
            f"There are {count_of(len(relevance), 'entry', 'entries')} of relevance for "
            f"{count_of(len(predictions), 'question')}."
        )
    if relevance is None:
        relevance = [row.get("relevance") if isinstance(row, Mapping) else None for row in references]
    indices = [row.get("answer_index") if isinstance(row, Mapping) else row for row in references]
    ranks: list[float] = []
    gains: list[float] = []
    for place, (scores, right) in enumerate(zip(predictions, indices, strict=True)):
        check_finite(scores, f"Question {place}: score")
        if isinstance(right, bool) or not isinstance(right, Integral) or not 0 <= int(right) < len(scores):
            raise InputError(
                f"Question {place} has answer_index {right!r} of {count_of(len(scores), 'score')}; expected one of "
                "them, from 0."
            )
        values = np.asarray(scores, dtype=np.float64)
        ranks.append(_rank(values, int(right), ties))
        if (relevant := relevance[place]) is not None:
            gains.append(_ndcg(values, _checked(relevant, len(values), place), ties))
    score = mean_score([1 / rank for rank in ranks])
    score.details["mrr"] = score.value
    score.details.update({f"r@{k}": sum(rank <= k for rank in ranks) / len(ranks) for k in RECALLS})
    score.details["mean_rank"] = sum(ranks) / len(ranks)
    score.columns["rank"] = ranks
    if gains:
        score.details.update(ndcg=sum(gains) / len(gains), n_ndcg=len(gains))
    return score


def _rank(scores: Floats, right: int, ties: Ties) -> float:
    """Rank of one candidate, from 1."""
    better = int((scores > scores[right]).sum())
    equal = int((scores == scores[right]).sum())
    return float(better + equal) if ties == "last" else better + (equal + 1) / 2


def _checked(relevant: Sequence[float], length: int, place: int) -> Floats:
    check_finite(relevant, f"Question {place}: relevance")
    found = np.asarray(relevant, dtype=np.float64)
    if len(found) != length:
        raise InputError(
            f"Question {place} has {count_of(len(found), 'entry', 'entries')} of relevance for "
            f"{count_of(length, 'score')}."
        )
    if (found < 0).any() or not found.any():
        raise InputError(f"Question {place} has no relevance above 0 or some below it; leave it out of NDCG.")
    return found


def _ndcg(scores: Floats, relevant: Floats, ties: Ties) -> float:
    k = int((relevant != 0).sum())
    discount = 1 / np.log2(np.arange(k) + 2)
    gains = relevant[np.lexsort((relevant, -scores))]  # best score first; among equals the least relevant first
    if ties == "mean":
        _, group, size = np.unique(-scores, return_inverse=True, return_counts=True)
        gains = np.repeat(np.bincount(group, weights=relevant) / size, size)
    best = np.sort(relevant)[::-1]
    return float((gains[:k] * discount).sum() / (best[:k] * discount).sum())
