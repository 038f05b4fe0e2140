"""Accuracy against several people, by the official evaluators of VQA v2 and EvalAI."""

from __future__ import annotations

import pytest
from tests.evaluate.metrics.truth import load, needs_truth, rows

from vistune.errors import InputError
from vistune.evaluate.metrics import (
    anls,
    aokvqa_da,
    ivqa,
    normalize_evalai_answer,
    normalize_vqa_answer,
    vqa_accuracy,
    vqa_evalai_accuracy,
)


@needs_truth
def test_vqa_equals_the_official_evaluator() -> None:
    truth = load("vqa/vqa_eval_official.json")
    answers = {row["question_id"]: row["answer"] for row in truth["results"]}
    rows = truth["annotations"]
    score = vqa_accuracy(
        [answers[row["question_id"]] for row in rows], [[entry["answer"] for entry in row["answers"]] for row in rows]
    )
    assert round(score.value, 2) == truth["expected"]["overall"]
    assert [round(value, 2) for value in score.per_sample] == [
        truth["expected_per_question"][str(row["question_id"])] for row in rows
    ]
    for column, name in (("question_type", "perQuestionType"), ("answer_type", "perAnswerType")):
        found = score.by([row[column] for row in rows])
        assert {kind: round(group["value"], 2) for kind, group in found.items()} == truth["expected"][name]


@needs_truth
def test_normal_forms_equal_the_official_ones() -> None:
    for row in rows("vqa/answer_normalisation.jsonl"):
        assert normalize_vqa_answer(row["raw"]) == row["processed"], row["raw"]
        assert normalize_evalai_answer(row["raw"]) == row["evalai_processed"], row["raw"]


@needs_truth
def test_textvqa_and_anls_equal_the_official_evaluator() -> None:
    truth = load("textvqa/m4c_official.json")
    predictions = [row["pred_answer"] for row in truth["rows"]]
    references = [row["gt_answers"] for row in truth["rows"]]
    score = vqa_evalai_accuracy(predictions, references)
    assert score.value == pytest.approx(100 * truth["expected"]["textvqa_accuracy"], abs=1e-9)
    expected = [100 * value for value in truth["expected_per_row"]["textvqa_accuracy"]]
    assert score.per_sample == pytest.approx(expected, abs=1e-9)
    score = anls(predictions, references)
    assert score.value == pytest.approx(truth["expected"]["stvqa_anls"], abs=1e-12)
    assert score.per_sample == pytest.approx(truth["expected_per_row"]["stvqa_anls"], abs=1e-12)


@pytest.mark.parametrize(
    ("raw", "vqa", "evalai"),
    [
        ("The 2 dogs.", "2 dogs", "2 dogs"),
        ("none", "0", "0"),
        ("1,000", "1000", "1000"),
        ("red,blue", "red blue", "redblue"),
        ("red, blue", "red blue", "red blue"),
        ("5,000-a b/c", "5000a bc", "5000 b c"),
        ("John's", "john's", "john 's"),
        ("what?!", "what", "what"),
        ("dont, cant", "don't can't", "don't can't"),
        ("3.5 p.m.", "3.5 pm", "3.5 pm"),
        ("a\tb\nc", "b c", "b c"),
        ("." * 40 + "x", "." * 8 + "x", "." * 8 + "x"),
    ],
)
def test_oddities_of_the_normal_forms(raw: str, vqa: str, evalai: str) -> None:
    assert (normalize_vqa_answer(raw), normalize_evalai_answer(raw)) == (vqa, evalai)


def test_one_person_is_left_out_at_a_time() -> None:
    people = [["yes"] * matches + ["no"] * (10 - matches) for matches in range(5)]
    assert vqa_accuracy(["yes"] * 5, people).per_sample == pytest.approx([0, 30, 60, 90, 100])


def test_answers_are_normalised_only_where_people_disagree() -> None:
    alike, unlike = ["2"] * 10, ["2"] * 9 + ["3"]
    assert vqa_accuracy(["The 2.", "The 2."], [alike, unlike]).per_sample == [0, 100]
    assert vqa_evalai_accuracy(["The 2.", "The 2."], [alike, unlike]).per_sample == [100, 100]


def test_aokvqa_and_ivqa_have_rules_of_their_own() -> None:
    ten = ["dog", "dog", *["cat"] * 8]
    assert aokvqa_da(["dog", "Dog", "cat"], [ten] * 3).per_sample == pytest.approx([200 / 3, 0, 100])
    five = ["dog", "cat", "cat", "hat", "bat"]
    assert ivqa(["dog", "Cat ", "owl"], [five] * 3).per_sample == [50, 100, 0]


def test_one_answer_is_too_few_to_leave_one_out() -> None:
    with pytest.raises(InputError, match="Reference 0 holds 1 texts; expected at least 2"):
        vqa_accuracy(["a"], [["a"]])
