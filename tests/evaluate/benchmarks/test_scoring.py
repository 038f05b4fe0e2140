"""The ways of scoring that benchmarks have of their own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluate.benchmarks.whole import write_release
from tests.evaluate.metrics.truth import load, needs_truth

from vistune.data.example import Example
from vistune.errors import InputError
from vistune.evaluate.benchmarks import Given, benchmark
from vistune.evaluate.benchmarks.rounds import circular_rounds
from vistune.evaluate.protocols import protocol


def meme(name: str, target: str) -> Example:
    return Example(name, "hateful_memes", target=target, candidates=("yes", "no"))


def test_hateful_memes_ranks_by_the_summed_probability_of_its_words() -> None:
    item = benchmark("hateful_memes")
    examples = [meme("1", "yes"), meme("2", "no"), meme("3", "yes"), meme("4", "no")]
    assert item.verbalizers == {"yes": ("yes", "true"), "no": ("no", "false")}
    # Log odds by hand: 1 is sure by "true" alone; 2 and 3 differ in their second words only.
    probabilities = [(0.0001, 0.4, 0.1, 0.1), (0.2, 0.1, 0.2, 0.4), (0.2, 0.1, 0.2, 0.1), (0.3, 0.1, 0.1, 0.1)]
    odds = [math.log((a + b) / (c + d)) for a, b, c, d in probabilities]
    pairs = [(odds[yes] > odds[no]) + 0.5 * (odds[yes] == odds[no]) for yes in (0, 2) for no in (1, 3)]
    score = item.score(examples, [Given(scores=[math.log(p) for p in row]) for row in probabilities])
    assert score.value == pytest.approx(sum(pairs) / 4) == pytest.approx(0.75)
    words = item.score(examples, [Given(answer) for answer in ("Yes, it is.", "no", "perhaps", "False")])
    assert words.value == 1.0 and words.details["unparsed"] == 1


def mme_rows(tasks: dict[str, str]) -> tuple[list[Example], list[Given]]:
    """Rows by task from the hits of its questions: "11" a picture with both right, "10" with one."""
    examples, answers = [], []
    for task, hits in tasks.items():
        for row, hit in enumerate(hits.replace(" ", "")):
            target = ("yes", "no")[row % 2]
            examples.append(Example(f"{task}/{row // 2}/{row % 2 + 1}", "mme", target=target, parts=(task,)))
            answers.append(Given(target.title() + "." if hit == "1" else "I cannot tell"))
    return examples, answers


def test_mme_adds_accuracy_and_accuracy_of_pairs() -> None:
    examples, answers = mme_rows({"existence": "11 10 11 00", "count": "11 11", "code_reasoning": "10 11"})
    score = benchmark("mme").score(examples, answers)
    # existence: 5 of 8 and 2 of 4 pictures; count: all; code_reasoning: 3 of 4 and 1 of 2.
    existence = score.details["tasks"]["existence"]
    assert [existence[name] for name in ("accuracy", "accuracy_plus", "points", "n")] == [62.5, 50.0, 112.5, 8]
    assert score.value == score.details["perception"] == pytest.approx(112.5 + 200)
    assert score.details["cognition"] == pytest.approx(125)
    assert score.details["unparsed"] == sum(given.answer == "I cannot tell" for given in answers) == 4
    low, high = score.interval()
    assert low < score.value <= high + 1e-9


def test_every_task_of_mme_has_an_interval() -> None:
    examples, answers = mme_rows({"existence": "11 10 11 00", "count": "11 11"})
    tasks = benchmark("mme").score(examples, answers).details["tasks"]
    low, high = tasks["existence"]["interval"]
    assert 0 <= low < tasks["existence"]["points"] < high <= 200
    assert tasks["count"]["interval"] == [200, 200]


@pytest.mark.parametrize(
    ("text", "fruits"),
    [
        ("a small orange circle and an orange ring", 0),
        ("an orange and white cat, all orange", 0),
        ("a hot orange dog", 0),
        ("An orange.", 1),
        ("an orange and a cup; two oranges in a bowl", 2),
        ("orange slices next to the orange on the left", 2),
    ],
)
def test_the_colour_orange_is_no_fruit(text: str, fruits: int) -> None:
    row = Example("1", "coco_objects", references=("orange", "cup", "bowl", "cat", "dog"))
    score = benchmark("coco_objects").score([row], [Given(text)])
    named = sum(word in text for word in ("cup", "bowl", "cat", "dog"))
    assert (score.details["mentions"], score.value) == (fruits + named, 0)


def test_pope_counts_what_it_takes_for_a_yes() -> None:
    rows = [Example(str(n), "pope", target="no", candidates=("yes", "no"), parts=("random",)) for n in range(5)]
    said = ("", "There is a car", "There is no car", "Yes.", "no")
    details = benchmark("pope").score(rows, [Given(text) for text in said]).details
    assert (details["empty"], details["neither"], details["yes_ratio"]) == (1, 1, 0.6)


def test_mme_reads_the_first_four_letters_as_the_official_calculation_does() -> None:
    item = benchmark("mme")
    examples = [Example(f"count/1/{n}", "mme", target="no", parts=("count",)) for n in (1, 2)]
    for text, hit in (("No", True), ("not at all", True), ("  no.", True), ("Well, no", False), ("yes no", False)):
        score = item.score(examples, [Given(text)] * 2)
        assert score.value == (200.0 if hit else 0.0), text


def question(name: str) -> Example:
    choices = ("cat", "dog", "cow")
    return Example(name, "mmbench", target="dog", candidates=choices, choices=choices, question="Which?")


def test_a_question_counts_if_every_order_of_its_choices_is_right() -> None:
    rows = circular_rounds([question("7"), question("12")])
    assert [row.id for row in rows] == ["7", "1000007", "2000007", "12", "1000012", "2000012"]
    assert [row.choices[0] for row in rows[:3]] == ["cat", "dog", "cow"]
    assert all(set(row.choices) == {"cat", "dog", "cow"} and row.target == "dog" for row in rows)
    assert circular_rounds(rows) == rows
    answers = [Given(text) for text in ("dog", "dog", "dog", "dog", "cat", "")]
    score = benchmark("mmbench_dev").score(rows, answers)
    assert score.value == 50.0 and score.details["vanilla"] == 100.0
    assert score.details["questions"] == 2 and score.details["unparsed"] == 1
    assert score.per_sample == [100.0] * 3 + [0.0] * 3
    low, high = score.interval()
    assert 0 <= low < 50 < high <= 100


def test_questions_with_more_choices_do_not_weigh_more() -> None:
    two = replace(question("3"), candidates=("cat", "dog"), choices=("cat", "dog"))
    rows = circular_rounds([question("7"), two])
    answers = [Given("dog")] * 3 + [Given("cat")] * 2
    score = benchmark("mmbench_dev").score(rows, answers)
    assert score.value == 50.0
    assert score.resampled(np.ones((1, 5)))[0] == pytest.approx(50.0)


@needs_truth
def test_pope_is_the_mean_of_the_categories_of_the_official_evaluator() -> None:
    truth = load("pope/pope_official.json")["categories"]
    examples, answers = [], []
    for category, rows in truth.items():
        said = {row["question_id"]: row["answer"] for row in rows["answers"]}
        for row in rows["questions"]:
            name = f"{category}-{row['question_id']}"
            examples.append(Example(name, "pope", target=row["label"], parts=(category,)))
            answers.append(Given(said[row["question_id"]]))
    score = benchmark("pope").score(examples, answers)
    wanted = {category: rows["expected"] for category, rows in truth.items()}
    assert score.value == pytest.approx(100 * sum(row["f1"] for row in wanted.values()) / 3, abs=1e-4)
    for category, row in wanted.items():
        found = score.details["categories"][category]
        assert score.details["parts"][category]["value"] == pytest.approx(100 * row["f1"], abs=1e-4)
        assert found["accuracy"] == pytest.approx(100 * row["accuracy"], abs=1e-4)
        for name in ("precision", "recall", "f1", "yes_ratio"):
            assert found[name] == pytest.approx(row[name], abs=1e-6)
    low, high = score.interval()
    assert low < score.value < high


def test_pope_ranked_by_yes_and_no_is_the_same_figure() -> None:
    item = benchmark("pope")
    examples = [
        Example(f"random-{row}", "pope", target=target, candidates=("yes", "no"), parts=("random",))
        for row, target in enumerate(("yes", "yes", "no", "no"))
    ]
    words = item.score(examples, [Given(text) for text in ("yes", "no", "no", "yes")])
    ranked = item.score(examples, [Given(scores=row) for row in ((0, -1), (-1, 0), (-1, 0), (0, -1))])
    assert words.value == ranked.value == pytest.approx(50.0)


def test_recalls_of_retrieval_by_hand() -> None:
    item = benchmark("flickr30k_retrieval")
    examples = [
        Example("1", "flickr30k", references=("a", "b")),
        Example("2", "flickr30k", references=("c", "d")),
    ]
    assert item.texts(examples) == ["a", "b", "c", "d"]
    never = -np.inf
    texts = [[0.9, 0.1, 0.5, 0.2], [0.9, 0.8, 0.8, 0.1]]
    pictures = [[0.9, 0.1], [0.2, 0.2], [0.1, 0.9], [0.9, never]]
    score = item.score_retrieval(examples, texts, pictures)
    # Picture 2: its best caption ties with another's in place 2, so it is third. Caption b ties and comes second.
    assert score.details["tr_r@1"] == 50.0 and score.details["tr_r@5"] == 100.0
    assert score.details["ir_r@1"] == 50.0 and score.details["ir_r@5"] == 75.0
    assert score.value == pytest.approx((50 + 100 + 100 + 50 + 75 + 75) / 6)
    assert np.mean(score.per_sample) == pytest.approx(score.value)
    with pytest.raises(InputError, match=r"expected \(2, 4\) for 2 pictures with 4 captions"):
        item.score_retrieval(examples, pictures, texts)
    with pytest.raises(InputError, match="no retrieval benchmark"):
        benchmark("gqa").score_retrieval(examples, texts, pictures)
    with pytest.raises(InputError, match="scored by all pairs"):
        item.score(examples, [Given("x")] * 2)


def test_a_choice_in_words_or_by_its_scores() -> None:
    item = benchmark("iconqa")
    example = replace(question("1"), candidates=("Cat", "A dog.", "cow"), target="A dog.")
    assert item.score([example], [Given("a dog")]).value == 100.0
    assert item.score([example], [Given(scores=[-2.0, -1.0, -3.0])]).value == 100.0
    wrong = item.score([example] * 3, [Given("bear"), Given(""), Given("cat")])
    assert wrong.value == 0.0 and wrong.details["unparsed"] == 2


def test_rows_whose_answer_is_no_candidate_are_counted() -> None:
    """Of the answers of a training split, which are all that can be ranked."""
    item = benchmark("msvd_qa")
    rows = [replace(question("1"), candidates=("cat", "man"), target=answer) for answer in ("man", "zebra")]
    score = item.score(rows, [Given(scores=[0.0, 1.0])] * 2)
    assert (score.value, score.details) == (50.0, {"unparsed": 0, "no_right_candidate": 1})
    assert "no_right_candidate" not in item.score(rows[:1], [Given(scores=[0.0, 1.0])]).details


def test_statements_are_read_by_their_first_word() -> None:
    item = benchmark("vsr")
    example = Example("1", "vsr", target="true", candidates=("true", "false"))
    for text, value in (("True", 100), ("yes, it is", 100), ("no", 0), ("It is true", 0), ("", 0), ("truely", 0)):
        score = item.score([example], [Given(text)])
        assert score.value == value, text
        assert score.details["unparsed"] == (text not in ("True", "yes, it is", "no"))


def test_a_ranked_verdict_sums_its_words() -> None:
    example = Example("1", "vsr", target="true", candidates=("true", "false"))
    scores = [math.log(p) for p in (0.3, 0.3, 0.4, 0.001)]
    assert benchmark("vsr").score([example], [Given(scores=scores)]).value == 100.0


def test_parts_stand_in_the_details() -> None:
    rows = [
        replace(question("1"), parts=("SOC", "IMG", "G1-6")),
        replace(question("2"), parts=("NAT", "IMG", "TXT", "G1-6")),
    ]
    parts = benchmark("scienceqa_img").score(rows, [Given("dog"), Given("cat")]).details["parts"]
    assert parts["SOC"] == {"value": 100.0, "n": 1} and parts["IMG"] == {"value": 50.0, "n": 2}


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "has 1 row and 0 answers"),
        ([Given()], r"Row '1' of iconqa has no answer"),
        ([Given(scores=[1.0])], "has 3 candidates .* and scores of 1"),
    ],
)
def test_answers_that_do_not_fit_are_told(answers: list[Given], message: str) -> None:
    with pytest.raises(InputError, match=message):
        benchmark("iconqa").score([question("1")], answers)


def test_what_a_judge_or_nobody_can_score() -> None:
    with pytest.raises(InputError, match="mm_vet is scored by a judge"):
        benchmark("mm_vet").score([Example("1", "mm_vet", target="x")], [Given("x")])
    with pytest.raises(InputError, match="no scores of candidates"):
        benchmark("visdial").score([replace(question("1"), task="visdial")], [Given("dog")])
    with pytest.raises(InputError, match="no right candidate"):
        benchmark("iconqa").score([replace(question("1"), target=None)], [Given("dog")])


def test_visual_dialog_has_ndcg_where_people_judged_the_candidates(tmp_path: Path) -> None:
    item = benchmark("visdial")
    examples = item.examples(write_release(item, tmp_path))
    scores = [[-float(text != row.target) for text in row.candidates or ()] for row in examples]
    score = item.score(examples, [Given(scores=row) for row in scores])
    assert score.value == score.details["r@1"] == 1.0
    # Of the second round 1 and one half are relevant; all others tie behind the first, 1/2 among 99 of them.
    assert score.details["n_ndcg"] == 1
    best = 1 + 0.5 / math.log2(3)
    assert score.details["ndcg"] == pytest.approx((1 + 0.5 / 99 / math.log2(3)) / best)
    prompted = protocol("instructblip").prompt(item, examples[1])
    assert prompted.candidates == examples[1].candidates


def test_objects_that_are_made_up() -> None:
    item = benchmark("coco_objects")
    example = Example("42", "coco_objects", references=("dog", "person"))
    score = item.score([example], [Given("A man walks two puppies past a hot dog stand and a bench.")])
    # person, dog, hot dog and bench are named; two of them are not there.
    assert score.value == 50.0 and score.details["mentions"] == 4 and score.details["recall"] == 100.0
