"""The metrics of `vistune score`: what each reads from the rows of a prediction and a reference file."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vistune.errors import DataError, InputError
from vistune.evaluate.metrics import fields
from vistune.evaluate.metrics.captions import bleu, cider, rouge_l
from vistune.evaluate.metrics.choices import scienceqa
from vistune.evaluate.metrics.fields import Joined
from vistune.evaluate.metrics.ranks import Ties, retrieval_ranks
from vistune.evaluate.metrics.rows import join, refuse_empty_answers
from vistune.evaluate.metrics.score import Score, mean_score
from vistune.evaluate.metrics.texts import anls, exact_match
from vistune.evaluate.metrics.vqa import aokvqa_da, ivqa, vqa_accuracy, vqa_evalai_accuracy
from vistune.evaluate.metrics.yes_no import nlvr, nlvr_sentence, pope, roc_auc


@dataclass(frozen=True)
class Metric:
    """A metric of the command line.

    Args:
        score: from joined rows. unit: what its value is: "fraction" or "percent".
        ranks: whether it reads ``scores``, and knows about ties.
    """

    name: str
    unit: str
    score: Callable[[Joined, Ties], Score]
    ranks: bool = False


def metric_named(name: str) -> Metric:
    """The metric of a name, such as "rouge-l".

    Raises:
        InputError: there is none, with the nearest.
    """
    if name in METRICS:
        return METRICS[name]
    near = difflib.get_close_matches(name, METRICS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(METRICS)}."
    raise InputError(f"There is no metric {name!r}; {hint}")


def _of_answers(
    function: Callable[[list[str], list[list[str]]], Score], *, at_least: int = 1, alone: bool = False
) -> Callable[[Joined, Ties], Score]:
    def score(rows: Joined, ties: Ties) -> Score:
        return function(fields.texts(rows), fields.accepted(rows, at_least, alone=alone))

    return score


def _pope(rows: Joined, ties: Ties) -> Score:
    return pope(fields.texts(rows), fields.labels(rows, ("yes", "no")))


def _nlvr(rows: Joined, ties: Ties) -> Score:
    pairs = zip(rows.ids, rows.references, strict=True)
    sentences = [nlvr_sentence(name) or str(row.get("sentence", name.split("-")[0])) for name, row in pairs]
    return nlvr(fields.texts(rows), fields.labels(rows, ("true", "false")), sentences)


def _scienceqa(rows: Joined, ties: Ties) -> Score:
    said = fields.texts(rows)
    fields.right_options(rows)
    return scienceqa(said, rows.references)


def _auc(rows: Joined, ties: Ties) -> Score:
    """One score is how sure the model is of candidate 1; two are those of candidates 0 and 1."""
    figures = []
    for name, scores in zip(rows.ids, fields.scores(rows), strict=True):
        if len(scores) not in (1, 2):
            raise DataError(f"Prediction {name!r} has {len(scores)} scores; AUC reads one, or two (one a class).")
        figures.append(scores[-1] - (scores[0] if len(scores) == 2 else 0))
    return roc_auc(figures, fields.classes(rows))


def _ranks(rows: Joined, ties: Ties) -> Score:
    scores = fields.scores(rows)
    sizes = [len(values) for values in scores]
    right = fields.right_candidates(rows, sizes)
    return retrieval_ranks(scores, right, relevance=fields.relevances(rows, sizes), ties=ties)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("cider", "fraction", _of_answers(cider)),
        Metric("bleu", "fraction", _of_answers(bleu)),
        Metric("rouge-l", "fraction", _of_answers(rouge_l)),
        Metric("vqa", "percent", _of_answers(vqa_accuracy, at_least=2)),
        Metric("vqa-evalai", "percent", _of_answers(vqa_evalai_accuracy, at_least=2)),
        Metric("anls", "fraction", _of_answers(anls, alone=True)),
        Metric("exact", "percent", _of_answers(exact_match, alone=True)),
        Metric("aokvqa-da", "percent", _of_answers(aokvqa_da)),
        Metric("auc", "fraction", _auc),
        Metric("ranks", "fraction", _ranks, ranks=True),
        Metric("ivqa", "percent", _of_answers(ivqa)),
        Metric("pope", "percent", _pope),
        Metric("scienceqa", "percent", _scienceqa),
        Metric("nlvr", "percent", _nlvr),
    )
}
"""All metrics by name."""


def score_files(
    metric: Metric, predictions: Path, references: Path, *, ties: str = "mean", allow_empty: bool = False
) -> Score:
    """Score a prediction file against a reference file.

    Args:
        ties: "mean" or "last", for metrics of ranks. allow_empty: whether empty answers count as they are.

    Raises:
        DataError: a file cannot be read, ids do not match, or a row lacks what the metric needs.
        InputError: another value of ``ties``, or one for a metric without ranks; what the metric itself refuses.
    """
    if ties not in ("mean", "last"):
        raise InputError(f"ties is {ties!r}; expected 'mean' or 'last'.")
    if ties != "mean" and not metric.ranks:
        raise InputError(f"{metric.name} has no ties; leave the option out, or score ranks.")
    names, given, wanted = join(predictions, references)
    if not allow_empty:
        refuse_empty_answers(names, given, predictions)
    return metric.score(Joined(names, given, wanted), "last" if ties == "last" else "mean")


def scores_in_rows(a: Path, b: Path) -> tuple[Score, Score]:
    """The means of what stands as ``score`` in the rows of two runs, on the same samples in the same order.

    Raises:
        DataError: a file cannot be read, the ids differ, or a row has no finite score.
    """
    names, first, second = join(a, b)
    means = [mean_score(fields.own_scores(rows, names, path)) for path, rows in ((a, first), (b, second))]
    return means[0], means[1]
