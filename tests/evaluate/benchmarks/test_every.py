"""Every benchmark: its rows are read, put into words by every protocol, answered and scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.evaluate.benchmarks.whole import write_release

from vistune.data.example import Example
from vistune.errors import DataError, InputError
from vistune.evaluate.benchmarks import BENCHMARKS, Benchmark, Given, benchmark
from vistune.evaluate.protocols import PROTOCOLS, Protocol, protocol

ROW_BY_ROW = sorted(
    name
    for name, item in BENCHMARKS.items()
    if item.public_answers and item.metric not in ("judge", "retrieval") and item.name != "world_question"
)
HIDDEN = sorted(name for name, item in BENCHMARKS.items() if not item.public_answers)
TOP = {"mme": 2000.0, "hallucination": 0.0}


def rows_of(item: Benchmark, root: Path) -> list[Example]:
    return item.examples(write_release(item, root), limit=8)


def right_words(item: Benchmark, example: Example) -> str:
    if item.metric == "hallucination":
        return "a photo of " + " and ".join(example.references or ("nothing",))
    if item.metric == "aokvqa-da":
        return max(example.references, key=example.references.count)
    if example.target is not None:
        return example.target
    return max(example.references, key=example.references.count)


def answered(item: Benchmark, how: Protocol, example: Example, right: bool) -> Given:
    """What a model that is always right, or says nothing that is right, gives."""
    prompted = how.prompt(item, example)
    words = right_words(item, example)
    if how.answering(item) == "rank":
        kinds = [word for kind, listed in item.verbalizers.items() for word in [kind] * len(listed)]
        candidates = kinds or list(example.candidates or ())
        assert len(candidates) == len(prompted.candidates or ())
        return Given(scores=[-float((text == words) != right) for text in candidates])
    if not right:
        return Given("")
    letters = how.settings(item)["extract"] == "letter"
    text = "ABCDEFGH"[example.choices.index(words)] if letters else words
    return Given(how.extract(item, example, text))


def value_of(item: Benchmark, how: Protocol, examples: Sequence[Example], right: bool) -> float:
    return item.score(examples, [answered(item, how, example, right) for example in examples]).value


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_right_answers_give_the_top_and_wrong_ones_the_bottom(name: str, tmp_path: Path) -> None:
    item = benchmark(name)
    examples = item.examples(write_release(item, tmp_path)) if name == "mme" else rows_of(item, tmp_path)
    assert len({example.id for example in examples}) == len(examples)
    for how in map(protocol, PROTOCOLS):
        top, bottom = (value_of(item, how, examples, right) for right in (True, False))
        whole = 100.0 if item.unit == "percent" else 1.0
        if item.metric == "cider":
            # One picture alone has no inverse document frequency: every figure is 0.
            assert top == bottom == 0 or top > 1
        elif item.metric in ("vqa", "vqa-evalai", "ivqa", "aokvqa-da"):
            # What most people said, where people do not agree.
            agreed = {"aokvqa_da": 200 / 3, "vizwiz_val": 90.0}
            assert (top, bottom) == (pytest.approx(agreed.get(name, 100.0)), 0.0)
        elif item.metric == "ranks":
            assert (top, bottom < 0.05) == (1.0, True)
        elif item.metric == "auc":
            assert (top, bottom) == (1.0, 0.0 if how.answering(item) == "rank" else 0.5)
        elif item.metric == "pope":
            # The official evaluator takes what is no "no" for a yes, nothing at all too.
            assert top == 100 and bottom == pytest.approx(200 / 3)
        elif item.metric == "hallucination":
            assert top == 0
        else:
            assert (top, bottom) == (TOP.get(item.metric, whole), 0.0), how.name


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if not name.startswith("world")])
def test_every_row_is_put_into_words(name: str, tmp_path: Path) -> None:
    item = benchmark(name)
    for example in rows_of(item, tmp_path):
        for how in map(protocol, PROTOCOLS):
            prompted = how.prompt(item, example)
            if item.answer == "score":
                assert prompted == example
                continue
            assert prompted.id == example.id and prompted.images == example.images
            assert example.question in prompted.instruction
            assert prompted.instruction or how.style != "instruction"
            assert (prompted.candidates is not None) == (how.answering(item) == "rank")
            json.dumps(how.settings(item))


@pytest.mark.parametrize("name", HIDDEN)
def test_splits_without_public_answers_are_never_scored(name: str, tmp_path: Path) -> None:
    item = benchmark(name)
    examples = rows_of(item, tmp_path)
    assert item.submission
    assert not any(example.target or example.references or example.answers for example in examples)
    with pytest.raises(InputError, match=r"are not public; write the official file with --submission"):
        item.score(examples, [Given("yes")] * len(examples))


@pytest.mark.parametrize("name", [name for name, item in BENCHMARKS.items() if item.source != "world"])
def test_data_that_is_not_there_is_told_with_the_paths(name: str, tmp_path: Path) -> None:
    item = benchmark(name)
    with pytest.raises(DataError, match=str(tmp_path)):
        item.examples(tmp_path)
    with pytest.raises(InputError, match="--data-root"):
        item.examples(None)
    assert item.missing(tmp_path) == item.missing(None) == item.needs() != []
    assert item.missing(write_release(item, tmp_path)) == []


def test_the_picture_world_needs_nothing() -> None:
    item = benchmark("world_count")
    assert item.missing(None) == [] and item.public_answers
    examples = item.examples(None)
    assert len(examples) == item.count == 500
    assert [example.id for example in examples] == [example.id for example in item.examples(None)]


@pytest.mark.parametrize("name", [name for name in ROW_BY_ROW if name.startswith("world") and name != "world_caption"])
def test_no_candidate_of_the_world_begins_another(name: str) -> None:
    for example in benchmark(name).examples(None, limit=50):
        words = example.candidates or ()
        assert not any(one != other and other.startswith(one) for one in words for other in words)
