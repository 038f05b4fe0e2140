"""ScienceQA with a second model: which answer counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vistune.errors import DataError
from vistune.evaluate.judge.ensemble import Item, by_judge, complement, join, judge_messages
from vistune.evaluate.judge.ensemble_files import read_answers

A, B, C = (f"Because. The answer is {letter}." for letter in "ABC")


def test_complement_takes_the_second_wherever_it_names_an_option() -> None:
    items = [Item("1", A, B, 4), Item("2", A, "I am not sure.", 4), Item("3", A, f"{A} {B}", 4), Item("4", A, C, 2)]
    assert [d.source for d in complement(items)] == ["second", "first", "first", "first"]


def test_judge_decides_only_where_the_two_differ() -> None:
    items = [Item("1", A, A, 4), Item("2", A, B, 4), Item("3", A, B, 4), Item("4", A, B, 4)]
    asked: list[str] = []

    def ask(name: str) -> str | None:
        asked.append(name)
        return {"2": C, "3": "Both are good.", "4": None}[name]

    decisions, unread = by_judge(items, ask)
    assert unread == ["3"]
    assert asked == ["2", "3", "4"]
    assert [(d.answer, d.source) for d in decisions] == [(A, "first"), (C, "judge"), (A, "first"), (A, "first")]


def test_a_judge_that_talks_nonsense_decides_nothing() -> None:
    with pytest.raises(DataError, match=r"None of 1 reply of the judge names one option \(the first is 'Both!'\)"):
        by_judge([Item("1", A, B, 4), Item("2", A, A, 4)], lambda _: "Both!")


def test_the_judge_sees_both_reasons() -> None:
    words = judge_messages(Item("1", A, B, 2, "Which is blue?\n(A) sky (B) grass"))[1]["content"]
    assert words.startswith("[Question]\nWhich is blue?")
    assert words.index(A) < words.index(B)


def test_answers_must_be_to_the_same_questions(tmp_path: Path) -> None:
    references = {"1": {"n_choices": 2}, "2": {"n_choices": 2}}
    with pytest.raises(DataError, match=r"second model has no answer to '2'"):
        join({"1": A, "2": A}, {"1": B}, references)
    with pytest.raises(DataError, match=r"first model has an answer to an unknown question, '3'"):
        join({"1": A, "2": A, "3": A}, {"1": B, "2": B}, references)
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"id": "1"}) + "\n")
    with pytest.raises(DataError, match="expected an object with id or question_id and answer or text"):
        read_answers(path)
