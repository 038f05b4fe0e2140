"""Answers of yes or no, true or false: POPE, NLVR, ROC-AUC."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from vistune.errors import InputError
from vistune.evaluate.metrics.checks import as_lists, check_finite, check_pairs, check_texts
from vistune.evaluate.metrics.resampling import Weights
from vistune.evaluate.metrics.score import Score, mean_score

_NLVR = re.compile(r"(?:(?P<sentence>[0-9]+)-[0-9]+(?:-[0-9]+)?|[a-z]+[0-9]?-(?P<drawn>[0-9]+)-[0-9]+-[0-9]+\.png)")
_NLVR2 = re.compile(r"(?P<set>[a-z]+[0-9]?-[0-9]+)-[0-9]+-(?P<sentence>[0-9]+)")


def says_no(answer: str) -> bool:
    """Whether POPE's evaluator takes an answer for a no.

    Only what stands before the first period is read; "No", "no" or "not" as a word of its own makes it a no, anything
    else a yes.
    """
    said = answer.split(".")[0].replace(",", "").split(" ")
    return bool({"No", "not", "no"} & set(said))


def pope(predictions: Sequence[str], references: Sequence[str | Sequence[str]]) -> Score:
    """POPE (Li et al. 2023): accuracy in percent; precision, recall, f1 and yes_ratio, 0..1, with yes as positive.

    A figure that is not defined (precision without any yes) is 0.

    Args:
        references: "yes" or "no" for each question, whatever its case.

    Raises:
        InputError: lengths differ, there is nothing to score, or a reference is neither yes nor no.
    """
    check_texts(predictions, references)
    labels = _labels(references, ("yes", "no"))
    said = np.array([not says_no(answer) for answer in predictions])
    true = np.array([label == "yes" for label in labels])
    hits = int((said & true).sum())
    precision, recall = _ratio(hits, int(said.sum())), _ratio(hits, int(true.sum()))
    return mean_score(
        (100.0 * (said == true)).tolist(),
        precision=precision,
        recall=recall,
        f1=_ratio(2 * precision * recall, precision + recall),
        yes_ratio=float(said.mean()),
    )


def nlvr(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str]],
    sentences: Sequence[Hashable] | None = None,
) -> Score:
    """NLVR's accuracy in percent, with the consistency: the percentage of sentences whose pictures are all right.

    Args:
        predictions, references: "true" or "false", whatever their case. Other predictions are wrong, and counted in
            ``details["unparsed"]``.
        sentences: which sentence each row is about; official identifiers of examples ("1572-0") will do, see
            :func:`nlvr_sentence`. Without, there is no consistency.

    Raises:
        InputError: lengths differ, there is nothing to score, or a reference is neither true nor false.
    """
    check_texts(predictions, references)
    said = [answer.strip().lower() for answer in predictions]
    labels = _labels(references, ("true", "false"))
    right = [answer == label for answer, label in zip(said, labels, strict=True)]
    score = mean_score([100.0 * hit for hit in right], unparsed=sum(answer not in ("true", "false") for answer in said))
    if sentences is not None:
        known = [(isinstance(one, str) and nlvr_sentence(one)) or one for one in sentences]
        score.details["consistency"] = _consistency(right, known)
    return score


def nlvr_sentence(identifier: str) -> str | None:
    """What the official evaluators take for the sentence of an example; None for other identifiers.

    NLVR's are SENTENCE-DRAWING ("1572-0"), or a picture's name, SPLIT-SENTENCE-DRAWING-ORDER.png; NLVR2's are
    SPLIT-SET-PAIR-SENTENCE ("test1-0-1-0").
    """
    if match := _NLVR2.fullmatch(identifier):
        return f"{match['set']}-{match['sentence']}"
    match = _NLVR.fullmatch(identifier)
    return match["sentence"] or match["drawn"] if match else None


def _consistency(right: Sequence[bool], sentences: Sequence[Hashable]) -> float:
    """Percentage of sentences that are right everywhere."""
    if len(sentences) != len(right):
        raise InputError(f"There are {len(sentences)} sentences for {len(right)} references; give one for each.")
    whole: dict[Hashable, bool] = {}
    for sentence, hit in zip(sentences, right, strict=True):
        whole[sentence] = whole.get(sentence, True) and hit
    return 100 * sum(whole.values()) / len(whole)


def _labels(references: Sequence[str | Sequence[str]], known: tuple[str, str]) -> list[str]:
    """The right answers in lower case; each may stand alone or as a list of one, as in files."""
    labels = []
    for place, accepted in enumerate(as_lists(references)):
        label = accepted[0].strip().lower() if len(accepted) == 1 and isinstance(accepted[0], str) else None
        if label not in known:
            raise InputError(f"Reference {place} is {references[place]!r}; expected {known[0]!r} or {known[1]!r}.")
        labels.append(label)
    return labels


def roc_auc(predictions: Sequence[float], references: Sequence[int]) -> Score:
    """Area under the ROC curve, 0..1, by scikit-learn.

    ``per_sample`` holds, for each sample, the share of samples of the other class that it is on the right side of
    (ties half): the mean over either class is the area.

    Args:
        predictions: how sure the model is of class 1. references: 0 or 1.

    Raises:
        InputError: lengths differ, there is nothing to score, a prediction is not finite, a reference is not 0 or 1,
            or all are of one class; scikit-learn is not installed.
    """
    try:
        from sklearn.metrics import roc_auc_score
    except ImportError as error:
        raise InputError("AUC needs scikit-learn; install it with pip install 'vistune[eval]'.") from error

    check_pairs(predictions, references)
    check_finite(predictions, "Prediction")
    for place, label in enumerate(references):
        if label not in (0, 1):
            raise InputError(f"Reference {place} is {label!r}; expected 0 or 1.")
    if len(set(references)) == 1:
        raise InputError(f"All {len(references)} references are {references[0]!r}; AUC needs both classes.")
    _, level = np.unique(np.asarray(predictions, dtype=np.float64), return_inverse=True)
    positive = np.asarray(references) == 1

    def figures(weights: Weights) -> NDArray[np.float64]:
        return np.array([_weighted_auc(row, level, positive) for row in weights])

    return Score(float(roc_auc_score(references, predictions)), _right_side(level, positive), figures=figures)


def _weighted_auc(weights: NDArray[np.float64], level: NDArray[np.int64], positive: NDArray[np.bool_]) -> float:
    """AUC of samples that count as often as ``weights`` says; NaN if a class has none. ``level``: rank of the score."""
    yes = np.bincount(level, weights=weights * positive)
    no = np.bincount(level, weights=weights * ~positive)
    pairs = yes.sum() * no.sum()
    return float((yes * (np.cumsum(no) - no / 2)).sum() / pairs) if pairs else float("nan")


def _right_side(level: NDArray[np.int64], positive: NDArray[np.bool_]) -> list[float]:
    yes, no = (np.bincount(level[chosen], minlength=level.max() + 1) for chosen in (positive, ~positive))
    below = (np.cumsum(no) - no / 2) / no.sum()
    above = (yes[::-1].cumsum()[::-1] - yes / 2) / yes.sum()
    return np.where(positive, below[level], above[level]).tolist()


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
