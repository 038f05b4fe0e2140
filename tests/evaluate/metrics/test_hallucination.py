"""Objects that are named and not there."""

from __future__ import annotations

import pytest

from vistune.errors import InputError
from vistune.evaluate.metrics import object_hallucination

OBJECTS = {"dog": ["dog", "puppy"], "hot dog": ["hot dog"], "bus": ["bus"], "cat": ["cat"]}


def test_shares_of_objects_and_captions() -> None:
    score = object_hallucination(
        ["A puppy and two dogs by a bus", "Buses, cats and hot dogs", "nothing", "a category"],
        [["dog"], ["bus", "hot dog", "cat"], ["cat"], []],
        OBJECTS,
    )
    # Named: dog twice, bus; bus, cat, hot dog; nothing; nothing.
    assert score.value == score.details["chair_i"] == pytest.approx(100 / 6)
    assert score.details["chair_s"] == pytest.approx(100 / 4)
    assert score.details["recall"] == pytest.approx(100 * 4 / 5)
    assert score.details["mentions"] == 6
    assert score.per_sample == pytest.approx([100 / 3, 0, 0, 0])


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("a hot-dog, two Hot  dogs and the dog's bowl", 3),
        ("a dog-like thing in a category", 0),
        ("DOG", 1),
        ("", 0),
    ],
)
def test_what_names_an_object(text: str, mentions: int) -> None:
    assert object_hallucination([text], [["dog", "hot dog"]], OBJECTS).details["mentions"] == mentions


def test_nothing_named_is_no_share_at_all() -> None:
    score = object_hallucination(["nothing", ""], [["dog"], []], OBJECTS)
    assert (score.value, score.details["chair_s"], score.details["recall"]) == (0, 0, 0)
    assert score.interval() == (0, 0)


def test_a_caption_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="Prediction 0 is None"):
        object_hallucination([None], [["dog"]], OBJECTS)  # type: ignore[list-item]


def test_objects_without_words_are_refused() -> None:
    with pytest.raises(InputError, match="'owl'"):
        object_hallucination(["an owl"], [["owl"]], OBJECTS)
