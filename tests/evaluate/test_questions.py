"""Reading generated questions back and answering them from the scene."""

from __future__ import annotations

import pytest

from vistune.data.sources.world import evaluation_rows, tuning_examples, with_other_captions
from vistune.evaluate.questions import answer_of, with_other_questions
from vistune.world.scene import Scene, SceneObject
from vistune.world.tasks import samples

SCENE = Scene(
    (SceneObject("ring", "red", "small", 0, 0), SceneObject("star", "red", "large", 1, 1)),
)


@pytest.mark.parametrize("task", ["colour", "shape", "place", "count", "existence"])
def test_the_world_s_own_questions_get_the_world_s_answers(task: str) -> None:
    for sample in samples(task, "test", 60, seed=1):
        assert answer_of(sample.instruction, sample.scene) == sample.target, sample.instruction


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("what color is the ring?", "red"),
        ("What color is the circle?", None),
        ("What shape is the red object?", None),
        ("Where is the small thing?", "top left"),
        ("How many red objects are there?", "2"),
        ("Is there a blue star?", "no"),
        ("How many dogs are there?", None),
        ("red", None),
        ("", None),
    ],
)
def test_questions_that_cannot_be_answered_have_no_answer(question: str, answer: str | None) -> None:
    assert answer_of(question, SCENE) == answer


def test_other_questions_are_wrong_in_this_scene_and_the_right_one_is_among_them() -> None:
    rows = with_other_questions(evaluation_rows("question", "test", 60, seed=0), 5, seed=0)
    places = set()
    for row in rows:
        candidates, target = row.example.candidates or (), str(row.example.target)
        wanted = answer_of(target, row.scene)
        assert len(candidates) == len(set(candidates)) == 5
        assert [text for text in candidates if answer_of(text, row.scene) == wanted] == [target]
        places.add(candidates.index(target))
    assert places == set(range(5))


def test_other_captions_have_as_many_objects() -> None:
    for row in with_other_captions(evaluation_rows("caption", "test", 60, seed=0), 5, seed=0):
        assert len(row.example.candidates or ()) >= 2
        assert {text.count(" at the ") for text in row.example.candidates or ()} == {len(row.scene.objects)}


def test_tuning_rows_share_their_pictures_and_are_of_held_in_tasks() -> None:
    rows = tuning_examples({"count": 30, "colour": 10}, seed=0)
    assert [len(rows["count"]), len(rows["colour"])] == [30, 10]
    assert len({id(example.images[0]) for task in rows.values() for example in task}) <= 31
    assert rows["count"] == tuning_examples({"count": 30, "colour": 10}, seed=0)["count"]
    with pytest.raises(ValueError, match="held out"):
        tuning_examples({"size": 1}, seed=0)
