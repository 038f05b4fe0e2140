from __future__ import annotations

from dataclasses import replace

import pytest

from vistune.data.example import Example
from vistune.evaluate.benchmarks import Given, benchmark
from vistune.evaluate.report.analysis.leanings import frequent, kinds, lengths, places
from vistune.evaluate.report.analysis.said import said


def test_lengths_are_words_of_answers_and_references() -> None:
    found = lengths(["a b", "", "a b c d"], [["a b c"], ["a", "b"], []])
    assert found["answers"] == {"mean": 2.0, "median": 2.0, "longest": 4}
    assert found["references"] == {"mean": pytest.approx(5 / 3), "median": 1.0, "longest": 3}
    assert found["empty"] == 1
    assert sum(entry["answers"] for entry in found["bins"]) == pytest.approx(1)
    assert sum(entry["references"] for entry in found["bins"]) == pytest.approx(1)


def test_bins_cover_long_texts() -> None:
    found = lengths([" ".join("a" * 500)] + ["a b"] * 300, [[]] * 301)
    assert found["references"] is None
    assert len(found["bins"]) <= 12
    # The one far off stands in the last, open bin.
    assert found["bins"][-1]["answers"] >= 1 / 301


def test_many_right_answers_do_not_hide_how_long_answers_are() -> None:
    found = lengths(["one two three four five"] * 3 + ["one"] * 7, [["one"] * 10] * 10)
    assert [entry["answers"] for entry in found["bins"]] == [0, 0.7, 0, 0, 0, 0.3]


def test_yes_is_told_over_rows_about_yes_and_no() -> None:
    examples = [
        Example("1", "q", references=("yes", "yes", "no")),
        Example("2", "q", target="no"),
        Example("3", "q", target="no"),
        Example("4", "q", target="red"),
    ]
    found = kinds(benchmark("gqa"), examples, ["yes", "Yes, it is.", "maybe", "yes"])
    assert found is not None
    assert (found["n"], found["neither"]) == (3, 1)
    assert found["kinds"] == [
        {"kind": "yes", "said": pytest.approx(2 / 3), "right": pytest.approx(1 / 3)},
        {"kind": "no", "said": 0.0, "right": pytest.approx(2 / 3)},
    ]
    assert kinds(benchmark("gqa"), examples[3:], ["yes"]) is None


def test_two_way_ranking_is_told_by_kinds() -> None:
    """Scores are of all words that stand for true and false, summed as probabilities."""
    vsr = benchmark("vsr")
    words = [word for listed in vsr.verbalizers.values() for word in listed]
    first, second = vsr.verbalizers
    example = Example("1", "vsr", question="The cup is red.", target=second)
    scores = [-1.0 if word in vsr.verbalizers[first] else -9.0 for word in words]
    given = Given(scores=scores)
    texts = said(vsr, [example], [replace(example, candidates=tuple(words))], [given])
    assert texts == [first]
    found = kinds(vsr, [example, example, replace(example, target=first)], [first, first, None])
    assert found is None
    found = kinds(vsr, [example, example, replace(example, target=first)], [first, first, first])
    assert found is not None
    assert [entry["said"] for entry in found["kinds"]] == [1.0, 0.0]
    assert [entry["right"] for entry in found["kinds"]] == pytest.approx([1 / 3, 2 / 3])


def test_true_and_false_without_words_of_the_data_set() -> None:
    examples = [Example(str(row), "world", target=target) for row, target in enumerate(("true", "false", "false"))]
    found = kinds(benchmark("world_spatial"), examples, ["false"] * 3)
    assert found is not None
    assert [(entry["kind"], entry["said"]) for entry in found["kinds"]] == [("true", 0.0), ("false", 1.0)]


def test_letters_stand_for_the_choices_of_the_data() -> None:
    example = Example("1", "s", target="ice", choices=("salt", "ice"), candidates=("salt", "ice"))
    asked = replace(example, candidates=("A", "B"))
    assert said(benchmark("scienceqa_img"), [example], [asked], [Given(scores=[0.1, 0.9])]) == ["ice"]


def test_place_of_the_choice() -> None:
    lists = [("a", "b"), ("b", "a"), ("c", "a", "b"), ("b", "c")]
    examples = [Example(str(row), "s", target=entry[1], candidates=entry) for row, entry in enumerate(lists)]
    assert places(examples, [entry[0] for entry in lists]) == [
        {"place": 1, "said": 1.0, "right": 0.0},
        {"place": 2, "said": 0.0, "right": 1.0},
        {"place": 3, "said": 0.0, "right": 0.0},
    ]


def test_shared_list_has_no_places() -> None:
    examples = [Example(str(row), "s", target="a", candidates=("a", "b")) for row in range(3)]
    assert places(examples, ["a", "b", "a"]) == []


def test_answers_given_most() -> None:
    examples = [Example(str(row), "q", references=("Red", "crimson")) for row in range(3)] + [
        Example("x", "q", target="blue")
    ]
    assert frequent(examples, ["red", "red", "red", "blue"]) == [
        {"answer": "red", "said": 0.75, "right": 0.75},
        {"answer": "blue", "said": 0.25, "right": 0.25},
    ]
    assert frequent(examples, ["a", "b", "c", None]) == []
