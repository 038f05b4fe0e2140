"""Scores of reviews, and what they come to: the real reviews of LLaVA's repository, and small ones by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vistune.errors import DataError
from vistune.evaluate.judge.parse import parse_scores
from vistune.evaluate.judge.ratios import in_order
from vistune.evaluate.judge.reviews import read_reviews
from vistune.evaluate.judge.summary import summarize

REVIEWS = Path(__file__).parents[4] / "shared" / "data" / "llava_bench" / "review"
needs_reviews = pytest.mark.skipif(not REVIEWS.is_dir(), reason="the real reviews are not beside the project")


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("8 9\nBoth", (8.0, 9.0)),
        ("8.5,9", (8.5, 9.0)),
        ("8, 9", None),  # a comma and a space are two spaces, as published
        ("8  9", None),
        ("8/10 9/10", None),
        ("\n8 9", None),
        ("First, I will solve it:\n8 9", None),
        ("-1 -1", None),
        ("nan nan", None),
        ("", None),
    ],
)
def test_only_a_first_line_of_two_numbers_is_a_pair_of_scores(text: str, pair: tuple[float, float] | None) -> None:
    assert parse_scores(text) == pair


@needs_reviews
@pytest.mark.parametrize(("name", "published_means"), [("alpaca-13b", (7.287, 8.800)), ("bard", (8.300, 8.194))])
def test_real_reviews_parse_but_three(name: str, published_means: tuple[float, float]) -> None:
    path = REVIEWS / f"{name}_vicuna-13b.jsonl"
    reviews = read_reviews(path)
    assert {r.question_id: r.scores for r in reviews if r.scores} == {
        r.question_id: r.stored for r in reviews if r.question_id not in (68, 69, 70)
    }
    summary = summarize(reviews)
    assert (summary["n"], summary["unparsed"]) == (77, [68, 69, 70])
    assert summary["relative_score"] == pytest.approx(100 * summary["mean_2"] / summary["mean_1"])
    as_published = summarize(reviews, published=True)
    # With the scores that were set by hand: the means of the stored pairs.
    assert (as_published["mean_1"], as_published["mean_2"]) == pytest.approx(published_means, abs=1e-3)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_summary_by_hand(tmp_path: Path) -> None:
    rows = [
        {"question_id": 0, "category": "conv", "content": "8 6"},
        {"question_id": 1, "category": "conv", "content": "6 8"},
        {"question_id": 2, "category": "detail", "content": "10 5"},
        {"question_id": 3, "category": "detail", "content": "I cannot say."},
    ]
    reviews = read_reviews(write(tmp_path / "r.jsonl", *rows))
    summary = summarize(reviews)
    # 8 + 6 + 10 and 6 + 8 + 5: the ratio of means, not the mean of ratios
    assert summary["relative_score"] == pytest.approx(100 * 19 / 24)
    assert summary["unparsed"] == [3]
    assert summary["categories"]["conv"]["relative_score"] == 100
    assert (summary["categories"]["detail"]["n"], summary["categories"]["detail"]["mean_2"]) == (1, 5)
    low, high = summary["interval"]
    assert 50 <= low < 100 * 19 / 24 < high <= 400 / 3
    # The released summary keeps -1, -1 for what it could not read.
    published = summarize(reviews, published=True)
    assert published["mean_1"] == pytest.approx((8 + 6 + 10 - 1) / 4)
    assert published["n"] == 4


def test_rounds_and_both_orders(tmp_path: Path) -> None:
    rows = [
        {"question_id": 0, "content": "8 6", "repeat": 0},
        {"question_id": 0, "content": "6 8", "repeat": 0, "swapped": True},
        {"question_id": 0, "content": "10 10", "repeat": 1},
    ]
    summary = summarize(read_reviews(write(tmp_path / "r.jsonl", *rows)))
    # The swapped review says 8 for answer 1 as well.
    assert (summary["mean_1"], summary["mean_2"]) == pytest.approx((26 / 3, 22 / 3))
    assert summary["rounds"]["n"] == 2
    assert summary["rounds"]["mean"] == pytest.approx((75 + 100) / 2)
    assert summary["rounds"]["deviation"] == pytest.approx(25 / 2**0.5)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"content": "8 9"}, "question_id"),
        ({"question_id": 1}, "no review"),
        ({"question_id": 0, "content": "8 9"}, "reviewed twice"),
    ],
)
def test_rows_that_are_no_reviews(row: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", {"question_id": 0, "content": "8 9"}, row)
    with pytest.raises(DataError, match=words):
        read_reviews(path)


def test_reviews_of_nonsense_alone_are_an_error(tmp_path: Path) -> None:
    reviews = read_reviews(write(tmp_path / "r.jsonl", {"question_id": 0, "content": "Lovely."}))
    with pytest.raises(DataError, match="None of 1 review begins with a line of two scores"):
        summarize(reviews)


def test_rounds_that_say_the_same_make_nothing_surer(tmp_path: Path) -> None:
    """Reviews of one question are no further questions: the interval is that of one round."""
    once = [{"question_id": n, "category": "ab"[n % 2], "content": f"8 {n % 7 + 2}"} for n in range(40)]
    thrice = [{**row, "repeat": repeat} for repeat in range(3) for row in reversed(once)]
    first, all_three = (
        summarize(read_reviews(write(tmp_path / f"{len(rows)}.jsonl", *rows))) for rows in (once, thrice)
    )
    assert all_three["interval"] == pytest.approx(first["interval"])
    assert all_three["categories"]["a"]["interval"] == pytest.approx(first["categories"]["a"]["interval"])
    assert (first["n"], all_three["n"]) == (40, 120)
    assert all_three["rounds"]["deviation"] == pytest.approx(0)


def test_ids_in_the_order_of_their_numbers() -> None:
    assert in_order(["v1_10", "v1_9", "2", "v1_9", "10"]) == ["2", "10", "v1_9", "v1_10"]
