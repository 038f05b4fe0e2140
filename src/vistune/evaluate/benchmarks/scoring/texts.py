"""Free answers against references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vistune.data.counting import count_of
from vistune.errors import InputError
from vistune.evaluate.measures import references
from vistune.evaluate.metrics import (
    Score,
    aokvqa_da,
    cider,
    exact_match,
    ivqa,
    phrase_f1,
    vqa_accuracy,
    vqa_evalai_accuracy,
)
from vistune.evaluate.metrics.score import mean_score

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks.spec import BenchmarkSpec, Given

# The official rule of VQA leaves each person out in turn; sets with one reference have it said by all ten.
_PEOPLE = 10
# Candidates that an error names.
_SHOWN = 6


def captions(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """CIDEr-D, with BLEU and ROUGE-L in the details."""
    from vistune.evaluate.metrics import bleu, rouge_l

    said, wanted = words(benchmark, examples, answers), accepted(benchmark, examples)
    score = cider(said, wanted)
    score.details.update(bleu(said, wanted).details)
    score.details["rouge_l"] = rouge_l(said, wanted).value
    return score


def vqa(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """VQA accuracy."""
    return _by_people(vqa_accuracy, benchmark, examples, answers)


def vqa_evalai(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """VQA accuracy in EvalAI's form."""
    return _by_people(vqa_evalai_accuracy, benchmark, examples, answers)


def direct_answers(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """A-OKVQA's direct answers."""
    return aokvqa_da(words(benchmark, examples, answers), accepted(benchmark, examples))


def ivqa_answers(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """iVQA: min(people who said it / 2, 1)."""
    return ivqa(words(benchmark, examples, answers), accepted(benchmark, examples))


def exact(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """Exact match after normalisation; no answer is wrong, also where an answer ("A") is nothing once normalised."""
    said = words(benchmark, examples, answers)
    hits = exact_match(said, accepted(benchmark, examples)).per_sample
    return mean_score([hit if text.strip() else 0.0 for hit, text in zip(hits, said, strict=True)])


def phrases(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> Score:
    """F1 of the objects that a caption of the picture world names, in percent."""
    said, wanted = words(benchmark, examples, answers), accepted(benchmark, examples)
    return mean_score([100 * phrase_f1(text, right[0]) for text, right in zip(said, wanted, strict=True)])


def words(benchmark: BenchmarkSpec, examples: Sequence[Example], answers: Sequence[Given]) -> list[str]:
    """The words of every answer; of a ranked row the best candidate.

    Raises:
        InputError: a row has scores of another number of candidates than it has.
    """
    return [_said(benchmark, example, given) for example, given in zip(examples, answers, strict=True)]


def accepted(benchmark: BenchmarkSpec, examples: Sequence[Example]) -> list[list[str]]:
    """The right answers of every row.

    Raises:
        InputError: a row has none.
    """
    found = [list(references(example)) for example in examples]
    for example, right in zip(examples, found, strict=True):
        if not right:
            raise InputError(f"Row {example.id!r} of {benchmark.name} has no right answer to score against.")
    return found


def scores_of(example: Example, given: Given, candidates: Sequence[str], benchmark: BenchmarkSpec) -> Sequence[float]:
    """The scores of a row's candidates.

    Raises:
        InputError: there are none, or not one a candidate.
    """
    if given.scores is None or len(given.scores) != len(candidates):
        count = "none" if given.scores is None else str(len(given.scores))
        shown = ", ".join(repr(text) for text in candidates[:_SHOWN]) + (", ..." if len(candidates) > _SHOWN else "")
        raise InputError(
            f"Row {example.id!r} of {benchmark.name} has {count_of(len(candidates), 'candidate')} ({shown}) and scores "
            f"of {count}; give one a candidate, in this order."
        )
    return given.scores


def _said(benchmark: BenchmarkSpec, example: Example, given: Given) -> str:
    if given.scores is None:
        return given.answer or ""
    candidates = example.candidates or ()
    scores = scores_of(example, given, candidates, benchmark)
    return candidates[max(range(len(scores)), key=scores.__getitem__)]


def _by_people(
    function: Callable[[Sequence[str], Sequence[Sequence[str]]], Score],
    benchmark: BenchmarkSpec,
    examples: Sequence[Example],
    answers: Sequence[Given],
) -> Score:
    people = [right * _PEOPLE if len(right) == 1 else right for right in accepted(benchmark, examples)]
    return function(words(benchmark, examples, answers), people)
