"""How a data set is measured while a model trains: by ranking or by what it writes, on a scale of 0 to 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vistune.evaluate.metrics import cider, exact_match, ivqa, retrieval_ranks, roc_auc, vqa_accuracy

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.infer.ranking import Ranking

# CIDEr reaches 10 in principle and about 1.5 on COCO; at 2 a caption counts as perfect.
CIDER_AT_ONE = 2.0
_WORDS = 30
_SHORT = 10


@dataclass(frozen=True)
class Measure:
    """A figure from 0 to 1.

    Args:
        name: of the metric. score_texts: of what the model wrote; None: its candidates are ranked.
        score_rankings: of those. max_new_tokens: of what it writes.
    """

    name: str
    score_texts: Callable[[Sequence[str], Sequence[Example]], float] | None = None
    score_rankings: Callable[[Sequence[Ranking], Sequence[Example]], float] | None = None
    max_new_tokens: int = _SHORT


def measure_of(metric: str, examples: Sequence[Example]) -> Measure | None:
    """The measure for a set by the name of its metric in the catalogue; None: nothing but its loss can be measured.

    Rows with candidates are ranked, whatever metric is named but those of direct answers.
    """
    if metric == "CIDEr":
        return Measure("CIDEr / 2", score_texts=_cider, max_new_tokens=_WORDS)
    if metric == "VQA accuracy":
        return Measure(metric, score_texts=_vqa)
    if metric.startswith("min(people"):
        return Measure("iVQA accuracy", score_texts=_ivqa)
    ranked = bool(examples) and all(example.candidates for example in examples)
    if metric == "MRR" and ranked:
        return Measure(metric, score_rankings=_reciprocal_ranks)
    if metric == "ROC AUC" and ranked:
        return Measure(metric, score_rankings=_roc)
    if ranked:
        return Measure("accuracy by ranking", score_rankings=_ranked_right)
    if all(references(example) for example in examples) and metric != "-":
        return Measure("exact match", score_texts=_exact)
    return None


def own_metric(group: str | None) -> str:
    """The metric of one's own rows by the group of their templates."""
    return "CIDEr" if group in ("caption", "text_caption") else "accuracy"


def references(example: Example) -> tuple[str, ...]:
    """All right answers of a row."""
    target = () if example.target is None else (example.target,)
    return example.references or example.answers or target


def _cider(texts: Sequence[str], examples: Sequence[Example]) -> float:
    return min(1.0, cider(texts, [references(example) for example in examples]).value / CIDER_AT_ONE)


def _vqa(texts: Sequence[str], examples: Sequence[Example]) -> float:
    # The official rule leaves each person out in turn, so it needs two; sets with one answer a question have one.
    people = [answers if len(answers) > 1 else answers * 10 for answers in map(references, examples)]
    return vqa_accuracy(texts, people).value / 100


def _ivqa(texts: Sequence[str], examples: Sequence[Example]) -> float:
    return ivqa(texts, [references(example) for example in examples]).value / 100


def _exact(texts: Sequence[str], examples: Sequence[Example]) -> float:
    return exact_match(texts, [references(example) for example in examples]).value / 100


def _ranked_right(rankings: Sequence[Ranking], examples: Sequence[Example]) -> float:
    right = [ranking.answer in references(example) for ranking, example in zip(rankings, examples, strict=True)]
    return sum(right) / len(right)


def _reciprocal_ranks(rankings: Sequence[Ranking], examples: Sequence[Example]) -> float:
    right = [list(r.candidates).index(references(e)[0]) for r, e in zip(rankings, examples, strict=True)]
    return retrieval_ranks([ranking.scores for ranking in rankings], right).value


def _roc(rankings: Sequence[Ranking], examples: Sequence[Example]) -> float:
    """Of two candidates: how much surer the model is of the first."""
    sure = [ranking.scores[0] - ranking.scores[1] for ranking in rankings]
    wanted = [int(e.target == r.candidates[0]) for r, e in zip(rankings, examples, strict=True)]
    return roc_auc(sure, wanted).value
