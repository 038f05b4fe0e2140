"""Accuracy against several people's answers: VQA v2, TextVQA and VizWiz (EvalAI), A-OKVQA, iVQA."""

from __future__ import annotations

from collections.abc import Sequence

from vistune.evaluate.metrics.checks import check_answers
from vistune.evaluate.metrics.score import Score, mean_score
from vistune.evaluate.metrics.vqa_text import clean_spaces, normalize_evalai_answer, normalize_vqa_answer


def vqa_accuracy(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Accuracy of VQA v2 in percent: right if three of the other people said so, mean over leaving each person out.

    As in the official evaluator, answers are normalised only where people disagree: where all gave the same answer, the
    prediction must equal it but for spaces at the ends.

    Args:
        references: people's answers to each question, ten as a rule.

    Raises:
        InputError: lengths differ, there is nothing to score, or a question has fewer than two answers.
    """
    check_answers(predictions, references, at_least=2)
    return mean_score([_vqa(*pair) for pair in zip(predictions, references, strict=True)])


def vqa_evalai_accuracy(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Accuracy of TextVQA and VizWiz in percent: VQA's rule on answers in EvalAI's form, always normalised.

    Raises:
        InputError: as :func:`vqa_accuracy`.
    """
    check_answers(predictions, references, at_least=2)
    scores = []
    for prediction, answers in zip(predictions, references, strict=True):
        wanted = normalize_evalai_answer(prediction)
        matches = sum(normalize_evalai_answer(answer) == wanted for answer in answers)
        scores.append(100 * leave_one_out(matches, len(answers)))
    return mean_score(scores)


def aokvqa_da(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """A-OKVQA's direct answer in percent: min(matches / 3, 1), on texts that are exactly equal.

    Raises:
        InputError: lengths differ, there is nothing to score, or a question has no answers.
    """
    check_answers(predictions, references)
    pairs = zip(predictions, references, strict=True)
    return mean_score([100 * min(list(answers).count(prediction) / 3, 1.0) for prediction, answers in pairs])


def ivqa(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """IVQA's accuracy in percent: min(matches / 2, 1) over five people's answers (Yang et al. 2021, section 5.1).

    The published code compares entries of a list of answers; here texts, without regard to case and outer spaces.

    Raises:
        InputError: as :func:`aokvqa_da`.
    """
    check_answers(predictions, references)
    scores = []
    for prediction, answers in zip(predictions, references, strict=True):
        matches = sum(answer.strip().lower() == prediction.strip().lower() for answer in answers)
        scores.append(100 * min(matches / 2, 1.0))
    return mean_score(scores)


def leave_one_out(matches: int, people: int) -> float:
    """Mean of min(matches among the others / 3, 1) over leaving out each person, 0..1."""
    with_match_out = min((matches - 1) / 3, 1.0) if matches else 0.0
    with_other_out = min(matches / 3, 1.0)
    return (matches * with_match_out + (people - matches) * with_other_out) / people


def _vqa(prediction: str, answers: Sequence[str]) -> float:
    wanted, accepted = clean_spaces(prediction), [clean_spaces(answer) for answer in answers]
    if len(set(accepted)) > 1:
        wanted, accepted = normalize_vqa_answer(wanted), [normalize_vqa_answer(answer) for answer in accepted]
    return 100 * leave_one_out(accepted.count(wanted), len(accepted))
