"""How answers lean whatever is asked: their lengths, yes against no, the place of a choice, favourite words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from vistune.evaluate.report.analysis.said import kinds_of, right_of

if TYPE_CHECKING:
    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark

_BINS = 12
_FREQUENT = 8
# Longer lists are the same answers for every row: a place in them is no habit.
_MOST_CHOICES = 10
_MOSTLY = 0.8
_PAIRS = (("yes", "no"), ("true", "false"))


def lengths(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Words of the answers beside those of the right answers.

    Returns:
        {"answers": {"mean", "median", "longest"}, "references": the same or None, "empty", "bins": [{"from", "to",
        "answers", "references"}]} with shares from 0 to 1; the last bin is open.
    """
    own = [len(answer.split()) for answer in answers]
    wanted = [len(text.split()) for right in references for text in right]
    # The longest hundredth of either may be far off; there may be ten right answers for each that was given.
    top = max(1, *(sorted(counts)[int(0.99 * (len(counts) - 1))] for counts in (own, wanted) if counts))
    width = max(1, -(-(top + 1) // _BINS))
    last = top // width
    own_bins, wanted_bins = Counter(min(n // width, last) for n in own), Counter(min(n // width, last) for n in wanted)
    bins = [
        {
            "from": place * width,
            "to": (place + 1) * width - 1,
            "answers": own_bins[place] / len(own),
            "references": wanted_bins[place] / len(wanted) if wanted else 0.0,
        }
        for place in range(last + 1)
    ]
    return {
        "answers": _summary(own),
        "references": _summary(wanted) if wanted else None,
        "empty": sum(not count for count in own),
        "bins": bins,
    }


def kinds(benchmark: Benchmark, examples: Sequence[Example], answers: Sequence[str | None]) -> dict[str, Any] | None:
    """Share of yes and no (true and false), said and right, over the rows whose right answer is one of them.

    Returns:
        {"n", "kinds": [{"kind", "said", "right"}], "neither": how many answers are none}; None where the right
        answers are others, or always the same.
    """
    from vistune.evaluate.benchmarks.scoring.verdicts import spoken

    for words in _two_ways(benchmark):
        pairs = []
        for example, answer in zip(examples, answers, strict=True):
            right = right_of(example)
            usual = Counter(text.lower() for text in right).most_common(1)[0][0] if right else ""
            if usual in words and answer is not None:
                pairs.append((usual, spoken(answer, words)))
        if len({right for right, _ in pairs}) > 1:
            return _shares(words, pairs)
    return None


def _two_ways(benchmark: Benchmark) -> list[dict[str, tuple[str, ...]]]:
    """For each pair of answers the words that stand for them."""
    own = {kind: (kind, *benchmark.verbalizers[kind]) for kind in kinds_of(benchmark)}
    return [own] if own else [{word: (word,) for word in pair} for pair in _PAIRS]


def _shares(words: Iterable[str], pairs: Sequence[tuple[str, str | None]]) -> dict[str, Any]:
    return {
        "n": len(pairs),
        "kinds": [
            {
                "kind": kind,
                "said": mean(answer == kind for _, answer in pairs),
                "right": mean(right == kind for right, _ in pairs),
            }
            for kind in words
        ],
        "neither": sum(answer is None for _, answer in pairs),
    }


def places(examples: Sequence[Example], answers: Sequence[str | None]) -> list[dict[str, Any]]:
    """How often the first, second, ... choice was taken, and how often it is right; [] where choices are not shuffled.

    Returns:
        [{"place" from 1, "said", "right"}], shares from 0 to 1 of the rows with choices.
    """
    rows = [
        (example.candidates, answer, right_of(example)[0])
        for example, answer in zip(examples, answers, strict=True)
        if example.candidates and answer in example.candidates and right_of(example)
    ]
    lists = {candidates for candidates, _, _ in rows}
    if len(rows) < _MOSTLY * len(examples) or len(lists) < 2 or max(map(len, lists)) > _MOST_CHOICES:
        return []
    taken = Counter(candidates.index(answer) for candidates, answer, _ in rows if answer is not None)
    right = Counter(candidates.index(wanted) for candidates, _, wanted in rows if wanted in candidates)
    return [
        {"place": place + 1, "said": taken[place] / len(rows), "right": right[place] / len(rows)}
        for place in range(max(map(len, lists)))
    ]


def frequent(examples: Sequence[Example], answers: Sequence[str | None]) -> list[dict[str, Any]]:
    """The answers given most, and how often they are right answers; [] where hardly any comes twice.

    Returns:
        [{"answer", "said", "right"}], shares from 0 to 1 of the rows; "right" None where right answers are not known.
    """
    given = [answer.strip() for answer in answers if answer is not None and answer.strip()]
    counts = Counter(given)
    if not given or len(counts) > len(given) / 2:
        return []
    wanted = [{text.strip().lower() for text in right_of(example)} for example in examples]
    known = any(wanted)
    return [
        {
            "answer": answer,
            "said": count / len(answers),
            "right": sum(answer.lower() in right for right in wanted) / len(wanted) if known else None,
        }
        for answer, count in counts.most_common(_FREQUENT)
    ]


def _summary(counts: Sequence[int]) -> dict[str, float]:
    return {"mean": mean(counts), "median": float(median(counts)), "longest": max(counts)}
