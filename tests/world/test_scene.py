"""Scenes: splits, determinism, pictures."""

from __future__ import annotations

import itertools
import random

import numpy
import pytest

from vistune.errors import InputError
from vistune.world.render import render
from vistune.world.scene import COLOURS, PLACES, SHAPES, SPLITS, Scene, SceneObject, draw_scene, scenes


def first(split: str, seed: int, count: int) -> list[Scene]:
    return list(itertools.islice(scenes(split, seed), count))


def test_splits_share_no_scene() -> None:
    graphs = {split: {scene.graph for seed in range(3) for scene in first(split, seed, 1500)} for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not graphs[one] & graphs[other]


def test_the_split_depends_on_the_graph_alone() -> None:
    scene = first("test", 0, 1)[0]
    other = Scene(
        tuple(SceneObject(o.shape, o.colour, o.size, o.row, o.column, dx=0.5, shade=-1) for o in scene.objects[::-1]),
        background=(200, 210, 220),
        noise_seed=9,
    )
    assert other.graph == scene.graph
    assert other.split == "test"


def test_most_scenes_are_for_training() -> None:
    rng = random.Random(0)
    splits = [draw_scene(rng).split for _ in range(3000)]
    assert 0.75 < splits.count("train") / 3000 < 0.85
    assert splits.count("val") > 200
    assert splits.count("test") > 200


def test_scenes_are_the_same_for_the_same_seed() -> None:
    assert first("train", 3, 50) == first("train", 3, 50)
    assert first("train", 3, 50) != first("train", 4, 50)


def test_no_place_begins_another() -> None:
    words = [tuple(place.split()) for place in PLACES]
    assert len(set(words)) == 9
    for one, other in itertools.permutations(words, 2):
        assert other[: len(one)] != one


def test_wrong_arguments_say_what_to_do() -> None:
    with pytest.raises(InputError, match="unknown split 'dev': expected one of train, val, test"):
        next(scenes("dev", 0))
    with pytest.raises(InputError, match="1 to 5 objects, got num_objects=6"):
        draw_scene(random.Random(0), 6)
    with pytest.raises(InputError, match="size=2"):
        render(first("train", 0, 1)[0], 2)


def test_pictures_are_deterministic_and_of_any_size() -> None:
    scene = first("val", 0, 1)[0]
    for size in (48, 64, 101):
        picture = render(scene, size)
        assert (picture.size, picture.mode) == ((size, size), "RGB")
        assert numpy.array_equal(numpy.asarray(picture), numpy.asarray(render(scene, size)))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_is_drawn_in_its_cell_with_its_colour(shape: str) -> None:
    for colour in COLOURS:
        scene = Scene((SceneObject(shape, colour, "large", 1, 2),), (230, 230, 230))
        pixels = numpy.asarray(render(scene, 96)).astype(int)
        differs = (abs(pixels - 230) > 60).any(-1)
        rows, columns = differs.nonzero()
        assert 32 <= rows.mean() < 64 <= columns.mean() < 96
        assert rows.min() >= 30 and rows.max() < 66 and columns.min() >= 62


def test_every_shape_looks_different() -> None:
    pictures = [
        numpy.asarray(render(Scene((SceneObject(shape, "black", "small", 1, 1),)), 96)).astype(int) for shape in SHAPES
    ]
    for one, other in itertools.combinations(pictures, 2):
        assert (abs(one - other) > 60).any(-1).sum() > 20
