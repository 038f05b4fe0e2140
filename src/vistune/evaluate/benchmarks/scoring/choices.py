"""The right one of some candidates: chosen, chosen in every order, or ranked high."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vistune.errors import InputError
from vistune.evaluate.benchmarks.relevance import JudgedExample
from vistune.evaluate.benchmarks.rounds import question_of
from vistune.evaluate.benchmarks.scoring.texts import scores_of, words
from vistune.evaluate.metrics import Score, normalize_vqa_answer, retrieval_ranks
from vistune.evaluate.metrics.resampling import Weights
from vistune.evaluate.metrics.score import mean_score

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec, Given


def choice(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """Share of rows whose right candidate was chosen, in percent.

    Details: unparsed, how many answers name no candidate; no_right_candidate, of how many rows the right answer is not
    among the candidates (of answer lists of whole data sets), where there are some. Both are wrong.

    A free answer chooses the candidate that it equals after VQA's normalisation; one of a letter has been made its
    candidate by the protocol.
    """
    said = words(benchmark, examples, answers)
    for example in examples:
        if example.target is None:
            raise InputError(f"Row {example.id!r} of {benchmark.name} has no right candidate to score against.")
    hits = [100.0 * _same(text, str(example.target)) for text, example in zip(said, examples, strict=True)]
    rows = zip(said, examples, answers, strict=True)
    unparsed = sum(given.scores is None and not _named(text, example) for text, example, given in rows)
    score = mean_score(hits, unparsed=unparsed)
    lost = [example for example in examples if example.candidates and example.target not in example.candidates]
    if lost:
        score.details["no_right_candidate"] = len(lost)
    return score


def circular(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """MMBench's CircularEval: a question counts if all of its rounds are right, in percent.

    ``per_sample`` has the question's figure for each of its rounds. Details: questions, vanilla (the accuracy of the
    rounds in the order of the release), unparsed.
    """
    plain = choice(benchmark, examples, answers)
    names = [question_of(example) for example in examples]
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    rows = np.array([place[name] for name in names])
    hits = np.full(len(place), 100.0)
    np.minimum.at(hits, rows, plain.per_sample)
    sizes = np.bincount(rows)
    first = [hit for example, hit in zip(examples, plain.per_sample, strict=True) if question_of(example) == example.id]

    def figures(weights: Weights) -> NDArray[np.float64]:
        # A question weighs as much as its rounds do on average.
        shares = np.asarray(weights, dtype=np.float64) / sizes[rows]
        return (shares @ hits[rows]) / shares.sum(axis=1)

    details = {**plain.details, "questions": len(place)}
    if first:
        details["vanilla"] = sum(first) / len(first)
    return Score(float(hits.mean()), hits[rows].tolist(), details, figures=figures)


def ranks(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """MRR, recalls and mean rank of the right candidate; NDCG of the rows whose candidates people have judged."""
    scores, right = [], []
    for example, given in zip(examples, answers, strict=True):
        candidates = example.candidates or ()
        if example.target not in candidates:
            raise InputError(f"The answer of row {example.id!r} of {benchmark.name} is none of its candidates.")
        if given.scores is None:
            raise InputError(f"{benchmark.name} is scored by ranks; row {example.id!r} has no scores of candidates.")
        scores.append(scores_of(example, given, candidates, benchmark))
        right.append(candidates.index(example.target))
    judged = [example.relevance if isinstance(example, JudgedExample) else None for example in examples]
    return retrieval_ranks(scores, right, relevance=judged if any(judged) else None)


def _named(text: str, example: Example) -> bool:
    """Whether an answer is one of the candidates; where there are none, whether it says anything."""
    return bool(text.strip()) and any(_same(text, option) for option in example.candidates or (text,))


def _same(text: str, other: str) -> bool:
    return text == other or (bool(text.strip()) and normalize_vqa_answer(text) == normalize_vqa_answer(other))
