"""Tasks: every answer against a check of the scene graph that shares no code with the tasks."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from vistune.errors import InputError
from vistune.world.scene import COLOURS, SHAPES, SIZES, SceneObject
from vistune.world.tasks import TASKS, WorldSample, samples

HELD_OUT = {"spatial", "choice", "size", "dialogue"}
QUESTIONS = [name for name, task in TASKS.items() if task.is_question]
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "middle", "right")
NOUN = rf"(?:(?:{'|'.join(SIZES)}) )?(?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(SHAPES)}|object|thing)"


def place_of(item: SceneObject) -> str:
    return "center" if (item.row, item.column) == (1, 1) else f"{ROWS[item.row]} {COLUMNS[item.column]}"


def described(sample: WorldSample, text: str) -> list[SceneObject]:
    """Objects that a noun phrase, with or without a place behind it, speaks of."""
    phrase, _, place = text.partition(" at the ")
    words = [word for word in phrase.split() if word not in ("object", "thing")]
    return [
        item
        for item in sample.scene.objects
        if all(word in (item.size, item.colour, item.shape) for word in words) and place in ("", place_of(item))
    ]


def named(sample: WorldSample, text: str) -> SceneObject:
    """The one object that the text's first "the ..." speaks of."""
    match = re.search(rf"[Tt]he ({NOUN}(?: at the (?:center|\w+ (?:left|middle|right)))?)\b", text)
    assert match, text
    found = described(sample, match[1])
    assert len(found) == 1, text
    return found[0]


def right_answer(sample: WorldSample, question: str) -> str:
    """The answer to a plain question, from its words and the graph."""
    lowered = question.lower()
    if "how many" in lowered or "number of" in lowered or "count the" in lowered:
        noun = re.search(rf"({NOUN})(?:e?s)\b", question)
        assert noun, question
        return str(len(described(sample, noun[1])))
    if re.search(r"\b(is there|does the (picture|image)|can you see)\b", lowered):
        noun = re.search(rf"\ban? ({NOUN})\b", question)
        assert noun, question
        return "yes" if described(sample, noun[1]) else "no"
    item = named(sample, question)
    if "color" in lowered:
        return item.colour
    if "what shape" in lowered or "the shape" in lowered or "which shape" in lowered:
        return item.shape
    if "small or large" in lowered or "size" in lowered:
        return item.size
    assert re.search(r"where|position|part of", lowered), question
    return place_of(item)


def check_spatial(sample: WorldSample) -> str:
    match = re.search(rf"({NOUN}) is (to the left of|to the right of|above|below) the ({NOUN})", sample.instruction)
    assert match, sample.instruction
    (one,), (other,) = described(sample, match[1]), described(sample, match[3])
    return str(
        {
            "to the left of": one.column < other.column,
            "to the right of": one.column > other.column,
            "above": one.row < other.row,
            "below": one.row > other.row,
        }[match[2]]
    ).lower()


def check_choice(sample: WorldSample) -> str:
    text = re.sub(r"\((a)\).*", "", sample.instruction)
    options = tuple(re.findall(r"\([abcd]\) ([\w ]+?)(?= \(|\.|$)", sample.instruction))
    assert options == sample.candidates
    return right_answer(sample, text)


def check_dialogue(sample: WorldSample) -> str:
    ((question, answer),) = sample.history
    assert question in sample.instruction and answer in sample.instruction
    assert right_answer(sample, question) == answer
    follow_up = sample.instruction.split(question)[1]
    thing = re.search(rf"the ({NOUN})", question)
    assert thing
    return right_answer(sample, re.sub(r"\bit\b", f"the {thing[1]}", follow_up.replace("Is it", "is it")))


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("split", ["val", "test"])
def test_answers_are_right(name: str, split: str) -> None:
    check = {"spatial": check_spatial, "choice": check_choice, "dialogue": check_dialogue}.get(
        name, lambda sample: right_answer(sample, sample.instruction)
    )
    for sample in samples(name, split, 250, 1):
        assert sample.candidates is not None and sample.answer_index is not None
        assert sample.candidates[sample.answer_index] == sample.target
        assert len(set(sample.candidates)) == len(sample.candidates)
        assert check(sample) == sample.target, (sample.instruction, sample.scene.graph)
        assert sample.scene.split == split


def test_captions_name_every_object_once() -> None:
    for sample in samples("caption", "test", 100, 0):
        assert sample.target in sample.references
        for text in sample.references:
            phrases = [phrase.split(" ", 1)[1] for phrase in text.split(" and ")]
            assert [described(sample, phrase) for phrase in phrases] and len(phrases) == len(sample.scene.objects)
            assert sorted(item.key for phrase in phrases for item in described(sample, phrase)) == sorted(
                item.key for item in sample.scene.objects
            )


def test_generated_questions_have_the_answer_asked_for() -> None:
    for sample in samples("question", "val", 100, 0):
        answer = right_answer(sample, sample.target)
        assert re.search(rf"\b{answer}\b", sample.instruction)
        assert all(right_answer(sample, text) == answer for text in sample.references)


def test_roles() -> None:
    assert {name for name, task in TASKS.items() if task.role == "held-out"} == HELD_OUT
    assert {name for name, task in TASKS.items() if not task.is_question} == {"caption", "question"}
    assert all(task.name == name for name, task in TASKS.items())


@pytest.mark.parametrize("name", sorted(HELD_OUT))
def test_held_out_tasks_have_no_training_samples(name: str) -> None:
    with pytest.raises(InputError, match=f"task '{name}' is held out"):
        samples(name, "train", 1, 0)
    assert len(samples(name, "train", 1, 0, allow_held_out=True)) == 1


def test_samples_are_deterministic() -> None:
    assert samples("count", "train", 30, 5) == samples("count", "train", 30, 5)
    assert samples("count", "train", 30, 5) != samples("count", "train", 30, 6)


@pytest.mark.parametrize("name", QUESTIONS)
def test_always_giving_one_answer_is_no_strategy(name: str) -> None:
    made = samples(name, "test", 400, 0)
    most = Counter(sample.target for sample in made).most_common(1)[0][1] / len(made)
    assert most < {"existence": 0.6, "spatial": 0.6, "size": 0.6, "count": 0.45}.get(name, 0.3)
    positions = Counter(sample.answer_index for sample in made)
    assert positions.most_common(1)[0][1] / len(made) < 0.6


def test_every_task_has_several_wordings() -> None:
    for name in TASKS:
        starts = {sample.instruction.split(" ")[0] for sample in samples(name, "val", 100, 0)}
        assert len(starts) >= 3, name


def test_wrong_arguments_say_what_to_do() -> None:
    with pytest.raises(InputError, match="unknown task 'colours': expected one of caption, count"):
        samples("colours", "val", 1, 0)
    with pytest.raises(InputError, match="n=-1"):
        samples("colour", "val", -1, 0)
