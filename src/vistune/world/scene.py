"""Scenes of the picture world: what stands where, drawn from a seed, with splits that share no scene.

A scene is a graph of one to five objects on a 3x3 grid. The split of a scene is a function of its graph alone (shapes,
colours, sizes, cells; not jitter, shade or background), so a graph seen in training can never come up in testing.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from vistune.errors import InputError

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SIZES = ("small", "large")
ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "middle", "right")
SPLITS = ("train", "val", "test")
MAX_OBJECTS = 5

# Never asked for by the world's own tasks. The frozen encoders and the language model meet them in pretraining, so that
# a user's own pictures do not find models that know six colours only.
EXTRA_SHAPES = ("rectangle",)
EXTRA_COLOURS = ("black", "gray", "teal", "brown")

_SPLIT_OF_BUCKET = {0: "val", 1: "test"}
_BUCKETS = 10


def place_name(row: int, column: int) -> str:
    """Name of a grid cell. No name is the beginning of another one: ranking by summed log-probability needs that."""
    return "center" if row == column == 1 else f"{ROWS[row]} {COLUMNS[column]}"


PLACES = tuple(place_name(row, column) for row in range(3) for column in range(3))


@dataclass(frozen=True)
class SceneObject:
    """One object. `dx`, `dy` (-1..1 of the room there is) shift it in its cell, `shade` (-1..1) varies its colour."""

    shape: str
    colour: str
    size: str
    row: int
    column: int
    dx: float = 0.0
    dy: float = 0.0
    shade: float = 0.0

    @property
    def place(self) -> str:
        """Name of the cell the object stands in."""
        return place_name(self.row, self.column)

    @property
    def key(self) -> tuple[int, int, str, str, str]:
        """What counts for the scene's graph: cell first, so that sorting gives reading order."""
        return (self.row, self.column, self.shape, self.colour, self.size)


@dataclass(frozen=True)
class Scene:
    """Objects in reading order, and what only the picture shows (background colour, seed of the noise)."""

    objects: tuple[SceneObject, ...]
    background: tuple[int, int, int] = (230, 230, 230)
    noise_seed: int = 0

    @cached_property
    def graph(self) -> str:
        """Canonical text of the scene's graph: equal for two scenes exactly when their objects are."""
        return ";".join(" ".join(map(str, item.key)) for item in sorted(self.objects, key=lambda item: item.key))

    @cached_property
    def split(self) -> str:
        """ "train" (80 %), "val" or "test" (10 % each), by a hash of the graph."""
        digest = hashlib.blake2b(self.graph.encode(), digest_size=8).digest()
        return _SPLIT_OF_BUCKET.get(int.from_bytes(digest, "big") % _BUCKETS, "train")

    def matching(self, **attributes: str) -> list[SceneObject]:
        """Objects whose attributes (shape, colour, size, place) all have the given values."""
        wanted = attributes.items()
        return [item for item in self.objects if all(getattr(item, name) == value for name, value in wanted)]


def draw_scene(
    rng: random.Random,
    num_objects: int | None = None,
    shapes: Sequence[str] = SHAPES,
    colours: Sequence[str] = COLOURS,
) -> Scene:
    """One scene from `rng`, of any split.

    In half of the scenes shapes or colours come from two or three values only: counting is dull when nothing repeats.
    """
    count = num_objects or rng.choice((1, 2, 3, 3, 4, 4, 5, 5))
    if not 1 <= count <= MAX_OBJECTS:
        raise InputError(f"a scene has 1 to {MAX_OBJECTS} objects, got num_objects={count}")
    shapes = _narrowed(shapes, rng)
    colours = _narrowed(colours, rng)
    cells = sorted(rng.sample(range(9), count))
    objects = tuple(
        SceneObject(
            shape=rng.choice(shapes),
            colour=rng.choice(colours),
            size=rng.choice(SIZES),
            row=cell // 3,
            column=cell % 3,
            dx=rng.uniform(-1, 1),
            dy=rng.uniform(-1, 1),
            shade=rng.uniform(-1, 1),
        )
        for cell in cells
    )
    level = rng.randint(205, 250)
    background = (level + rng.randint(-5, 5), level + rng.randint(-5, 5), level + rng.randint(-5, 5))
    return Scene(objects, background, rng.getrandbits(32))


def scenes(
    split: str,
    seed: int | str,
    num_objects: int | None = None,
    shapes: Sequence[str] = SHAPES,
    colours: Sequence[str] = COLOURS,
) -> Iterator[Scene]:
    """Endless stream of the split's scenes, the same for the same seed."""
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    rng = random.Random(f"scenes {split} {seed}")
    while True:
        scene = draw_scene(rng, num_objects, shapes, colours)
        if scene.split == split:
            yield scene


def _narrowed(values: Sequence[str], rng: random.Random) -> Sequence[str]:
    return rng.sample(values, rng.choice((2, 3))) if rng.random() < 0.3 else values
