"""Recall of the right captions for pictures, and of the right picture for captions (BLIP-2 section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vistune.data.counting import count_of
from vistune.errors import InputError
from vistune.evaluate.metrics.resampling import Weights
from vistune.evaluate.metrics.score import Score

if TYPE_CHECKING:
    from vistune.data.example import Example

_RECALLS = (1, 5, 10)
_CAPTIONS = "captions"
Floats = NDArray[np.float64]


def score_retrieval(examples: Sequence[Example], image_to_text: Any, text_to_image: Any) -> Score:
    """The mean of the six recalls in percent; details: tr_r@1, 5, 10 (texts of a picture) and ir_r@1, 5, 10.

    A picture is right at k if any of its captions is among the best k; what ties with a right one comes before it, and
    one that is no candidate (-inf) is never found.

    ``per_sample`` has, for each picture, the mean of its own recalls and those of its captions; ``columns`` what
    `recalls_score` makes the figure of.
    """
    owner = np.array([row for row, example in enumerate(examples) for _ in (example.references or ("",))])
    texts, pictures = np.asarray(image_to_text, dtype=np.float64), np.asarray(text_to_image, dtype=np.float64)
    if texts.shape != (len(examples), len(owner)) or pictures.shape != (len(owner), len(examples)):
        raise InputError(
            f"The scores are {texts.shape} and {pictures.shape}; expected ({len(examples)}, {len(owner)}) for "
            f"{count_of(len(examples), 'picture')} with {count_of(len(owner), 'caption')}, and the other way round."
        )
    if np.isnan(texts).any() or np.isnan(pictures).any():
        raise InputError("The scores of retrieval hold NaN; nothing can be ranked by them.")
    captions = np.bincount(owner, minlength=len(examples))
    by_picture = np.array([_rank(texts[row], owner == row) for row in range(len(examples))])
    by_text = np.array([_rank(pictures[row], np.arange(len(examples)) == owner[row]) for row in range(len(owner))])
    found = {f"tr_r@{k}": (by_picture <= k).astype(np.float64) for k in _RECALLS}
    # Of the captions of a picture, how many find it.
    found |= {f"ir_r@{k}": np.bincount(owner, by_text <= k, len(examples)).astype(np.float64) for k in _RECALLS}
    return recalls_score({**found, _CAPTIONS: captions.astype(np.float64)})


def recalls_score(columns: Mapping[str, Sequence[float] | Floats]) -> Score:
    """The figure from what each picture counts.

    Args:
        columns: a number a picture: tr_r@1, 5, 10 (1 if one of its captions is found), ir_r@1, 5, 10 (how many of its
            captions find it) and captions (how many it has).
    """
    counted = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    captions = counted[_CAPTIONS]
    found = {name: 100.0 * values for name, values in counted.items() if name != _CAPTIONS}

    def recalls(weights: Weights) -> dict[str, Floats]:
        total = {"tr": weights.sum(axis=1), "ir": weights @ captions}
        return {name: (weights @ values) / total[name[:2]] for name, values in found.items()}

    def figures(weights: Weights) -> Floats:
        return np.asarray(np.mean(list(recalls(weights).values()), axis=0))

    details = {name: float(values[0]) for name, values in recalls(np.ones((1, len(captions)))).items()}
    own = np.mean([values / (captions if name[:2] == "ir" else 1) for name, values in found.items()], axis=0)
    kept = {name: values.tolist() for name, values in counted.items()}
    return Score(sum(details.values()) / len(details), own.tolist(), details, kept, figures)


def _rank(scores: Floats, right: NDArray[np.bool_]) -> float:
    """Rank from 1 of the best right one; wrong ones with an equal score come before it."""
    best = scores[right].max()
    return float("inf") if best == -np.inf else 1.0 + float((scores[~right] >= best).sum())
