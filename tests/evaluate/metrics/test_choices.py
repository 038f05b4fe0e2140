"""Letters in answers and ScienceQA's table."""

from __future__ import annotations

import pytest
from tests.evaluate.metrics.truth import load, needs_truth

from vistune.errors import InputError
from vistune.evaluate.metrics import choice_accuracy, extract_choice, scienceqa


@needs_truth
def test_letters_are_read_as_in_the_published_result_files() -> None:
    for model in load("scienceqa/answer_extraction.json")["models"]:
        for row in model["rows"]:
            found = extract_choice(row["output"], 5)
            if model["model"] == "gpt3_cot":  # the rest of its answers were drawn by chance
                assert found in (None, row["expected_pred_idx"])
            else:
                assert (-1 if found is None else found) == row["expected_pred_idx"], row["output"]


@pytest.mark.parametrize(
    ("text", "n_choices", "found"),
    [
        ("A", 2, 0),
        ("C", 2, None),
        ("B. because", 3, 1),
        ("B.", 3, None),
        ("b", 3, None),
        (" A", 3, None),
        ("", 3, None),
        ("I think The answer is B.", 3, 1),
        ("The answer is B!", 3, 1),
        ("The answer is B", 3, None),
        ("The answer is B\n", 3, None),
        ("the answer is B.", 3, None),
        ("A.B", 3, None),
        ("A. ", 3, 0),
        ("AB", 3, None),
        ("D", 3, None),
        ("The answer is D. ", 3, None),
        ("The answer is A. The answer is B.", 3, None),
        ("The answer is A. The answer is A.", 3, None),
        ("E. The answer is A.", 3, None),
        ("F. The answer is A.", 3, 0),
    ],
)
def test_what_names_an_option(text: str, n_choices: int, found: int | None) -> None:
    assert extract_choice(text, n_choices) == found


def test_the_columns_of_the_table() -> None:
    rows = [
        {"answer_index": 0, "n_choices": 2, "subject": "natural science", "hint": "h", "image": "", "grade": "grade2"},
        {"answer_index": 1, "n_choices": 3, "subject": "social science", "hint": "", "image": "i", "grade": "grade7"},
        {"answer": 2, "choices": ["x", "y", "z"], "subject": "language science", "hint": "", "image": "", "grade": 12},
        {"answer_index": 0, "n_choices": 2, "subject": "natural science", "hint": "h", "image": "i", "grade": "grade6"},
    ]
    score = scienceqa(["A", "The answer is A.", "I do not know", "A"], rows)
    assert (score.value, score.per_sample) == (50, [100, 0, 0, 100])
    assert score.details == {
        "unparsed": 1,
        "NAT": 100,
        "SOC": 0,
        "LAN": 0,
        "TXT": 100,
        "IMG": 50,
        "NO": 0,
        "G1-6": 100,
        "G7-12": 0,
    }


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="answer_index 2 of n_choices 2"):
        scienceqa(["A"], [{"answer_index": 2, "n_choices": 2}])
    with pytest.raises(InputError, match="0 options"):
        extract_choice("A", 0)


def test_the_right_option_alone_will_do() -> None:
    assert scienceqa(["A", "B. so", "?"], [0, 1, 2]).per_sample == [100, 100, 0]


def test_no_choice_is_wrong_and_counted() -> None:
    score = choice_accuracy([1, None, 0], [1, 1, 1])
    assert (score.per_sample, score.details) == ([100, 0, 0], {"unparsed": 1})


def test_other_predictions_and_references_are_refused() -> None:
    with pytest.raises(InputError, match="Prediction 1 is None"):
        scienceqa(["A", None], [0, 1])  # type: ignore[list-item]
    with pytest.raises(InputError, match="answer_index 'A'"):
        scienceqa(["A"], ["A"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="answer_index True"):
        scienceqa(["A"], [{"answer_index": True, "n_choices": 2}])
