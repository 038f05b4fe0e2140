"""POPE and NLVR against the official code; AUC against scikit-learn."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from tests.evaluate.metrics.truth import FOLDER, load, needs_truth

from vistune.errors import InputError
from vistune.evaluate.metrics import nlvr, pope, roc_auc
from vistune.evaluate.metrics.yes_no import nlvr_sentence


@needs_truth
@pytest.mark.parametrize("category", ["random", "popular", "adversarial"])
def test_pope_equals_the_official_figures(category: str) -> None:
    truth = load("pope/pope_official.json")["categories"][category]
    score = pope([row["answer"] for row in truth["answers"]], [row["label"] for row in truth["questions"]])
    assert score.value == pytest.approx(100 * truth["expected"]["accuracy"], abs=1e-9)
    for name in ("precision", "recall", "f1", "yes_ratio"):
        assert score.details[name] == pytest.approx(truth["expected"][name], abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("No", "no"),
        ("no, never", "no"),
        ("It is not", "no"),
        ("NO", "yes"),
        ("Nope", "yes"),
        ("Yes. No", "yes"),
        ("no!", "yes"),
        ("", "yes"),
        ("cannot", "yes"),
    ],
)
def test_what_pope_takes_for_a_no(answer: str, right: str) -> None:
    assert pope([answer], [right]).value == 100


def test_pope_without_any_yes_has_no_precision() -> None:
    score = pope(["no", "no"], ["yes", "no"])
    assert (score.value, score.details) == (50, {"precision": 0, "recall": 0, "f1": 0, "yes_ratio": 0})


@needs_truth
def test_nlvr_equals_the_official_figures() -> None:
    folder = FOLDER / "metrics" / "nlvr"
    rows = [line.split(",") for line in (folder / "dev_structured_predictions.csv").read_text().split()]
    labelled = [json.loads(line) for line in (FOLDER / "nlvr" / "dev.jsonl").read_text().splitlines()]
    labels = {row["identifier"]: row["label"] for row in labelled}
    score = nlvr(
        [said for _, said in rows], [labels[name] for name, _ in rows], [name.split("-")[0] for name, _ in rows]
    )
    expected = dict(line.split("=") for line in (folder / "dev_structured_expected.txt").read_text().split())
    assert score.value == pytest.approx(100 * float(expected["precision"]), abs=1e-9)
    assert score.details["consistency"] == pytest.approx(100 * float(expected["consistency"]), abs=1e-9)


def test_nlvr_counts_what_is_neither_true_nor_false() -> None:
    score = nlvr(["True", "maybe", "false"], ["true", "true", "False"], ["1", "1", "2"])
    assert score.per_sample == [100, 0, 100]
    assert score.details == {"consistency": 50, "unparsed": 1}
    score = nlvr(["true"] * 3, ["true", "false", "true"], ["7-0", "7-1", "8-0"])
    assert score.details["consistency"] == 50


@pytest.mark.parametrize(
    ("identifier", "sentence"),
    [
        ("1572-0", "1572"),
        ("1572-0-3", "1572"),
        ("dev-1572-0-0.png", "1572"),
        ("dev-850-2-1", "dev-850-1"),
        ("test1-0-1-0", "test1-0-0"),
        ("q1", None),
        ("12", None),
        ("dev-850-1", None),  # a sentence already
    ],
)
def test_the_sentence_of_an_official_identifier(identifier: str, sentence: str | None) -> None:
    assert nlvr_sentence(identifier) == sentence


def test_auc_is_that_of_scikit_learn_and_so_are_its_resamples() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores = rng.integers(8, size=60).astype(float)
    labels = rng.integers(2, size=60)
    score = roc_auc(scores.tolist(), labels.tolist())
    assert score.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    for side in (0, 1):
        assert np.mean(np.array(score.per_sample)[labels == side]) == pytest.approx(score.value)
    weights = rng.integers(3, size=(5, 60)).astype(float)
    expected = [roc_auc_score(labels, scores, sample_weight=row) for row in weights]
    assert score.resampled(weights) == pytest.approx(expected)
    assert math.isnan(score.resampled((labels == 1)[None].astype(float))[0])


@pytest.mark.parametrize(
    ("scores", "labels", "said"),
    [
        ([0.1, math.nan], [0, 1], "Prediction 1 is nan"),
        ([0.1, 0.2], [1, 1], "both classes"),
        ([0.1, 0.2], [0, 2], "Reference 1 is 2"),
    ],
)
def test_auc_refuses(scores: list[float], labels: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        roc_auc(scores, labels)


def test_auc_without_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(InputError, match=r"vistune\[eval\]"):
        roc_auc([0.1, 0.2], [0, 1])


def test_other_labels_are_refused() -> None:
    with pytest.raises(InputError, match="Reference 0 is 'maybe'"):
        pope(["yes"], ["maybe"])
    with pytest.raises(InputError, match="Prediction 0 is None"):
        pope([None], ["yes"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="Prediction 0 is 1"):
        nlvr([1], ["true"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="Reference 0 is 'yes'"):
        nlvr(["true"], ["yes"], ["1"])
