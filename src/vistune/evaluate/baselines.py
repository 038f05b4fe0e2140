"""What can be had without looking: the most frequent answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vistune.data.example import Example
from vistune.evaluate.metrics import matches, mean

# More candidate lists than this and they are options of the single question, not the answers of a kind of question.
_FEW_LISTS = 10


def majority_accuracy(test: Sequence[Example], train: Sequence[Example]) -> float:
    """Accuracy of always giving one answer.

    With training rows of the task: their most frequent answer. Without (a held-out task), the constant that does best
    on the test rows themselves, which favours this floor; for each list of candidates its own (a dialogue may end in a
    question about colour or one about shape). Where every question has options of its own, the best constant position.
    """
    lists = {tuple(sorted(example.candidates or ())) for example in test}
    if len(lists) > (1 if train else _FEW_LISTS):
        return _best_position(test)
    if train:
        answer = Counter(str(example.target) for example in train).most_common(1)[0][0]
        return mean([matches(answer, _accepted(example)) for example in test])
    right = 0
    for candidates in lists:
        targets = [str(example.target) for example in test if tuple(sorted(example.candidates or ())) == candidates]
        right += Counter(targets).most_common(1)[0][1]
    return right / len(test)


def _best_position(test: Sequence[Example]) -> float:
    places = Counter((example.candidates or ()).index(str(example.target)) for example in test)
    return places.most_common(1)[0][1] / len(test)


def _accepted(example: Example) -> Sequence[str]:
    return example.references or (str(example.target),)
