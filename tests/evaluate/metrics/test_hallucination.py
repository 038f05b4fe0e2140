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
    # Named: dog, bus; bus, cat, hot dog; nothing; nothing.
    assert score.value == score.details["chair_i"] == pytest.approx(100 / 5)
    assert score.details["chair_s"] == pytest.approx(100 / 4)
    assert score.details["recall"] == pytest.approx(100 * 4 / 5)
    assert score.details["mentions"] == 5
    assert score.per_sample == [50, 0, 0, 0]


def test_objects_without_words_are_refused() -> None:
    with pytest.raises(InputError, match="'owl'"):
        object_hallucination(["an owl"], [["owl"]], OBJECTS)
