"""Phrases for the encoders' contrast: sets of attributes that fit some object of a picture or none.

A phrase is five numbers, one an attribute (shape, colour, size, row, column); `ANY` leaves the attribute out. "red
circle" and "circle at the top left" are such phrases. Objects have the same five numbers, so truth
is a comparison of tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vistune.world.scene import COLOURS, EXTRA_COLOURS, EXTRA_SHAPES, MAX_OBJECTS, SHAPES, SIZES, Scene

ANY = -1
ABSENT = -2  # fills the rows of scenes with fewer objects; equal to nothing that a phrase asks for
ALL_SHAPES = SHAPES + EXTRA_SHAPES
ALL_COLOURS = COLOURS + EXTRA_COLOURS
NUM_VALUES = (len(ALL_SHAPES), len(ALL_COLOURS), len(SIZES), 3, 3)
# Which attributes a phrase names: shape, colour, size, row, column.
_FORMS = torch.tensor(
    [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 1, 0, 0],
        [1, 0, 0, 1, 1],
        [0, 1, 0, 1, 1],
        [0, 0, 1, 1, 1],
        [1, 1, 0, 1, 1],
        [1, 1, 1, 1, 1],
    ],
    dtype=torch.bool,
)


def scene_attributes(scenes: list[Scene]) -> Tensor:
    """[N, 5 objects, 5 attributes], ABSENT where a scene has fewer objects."""
    table = torch.full((len(scenes), MAX_OBJECTS, len(NUM_VALUES)), ABSENT)
    for row, scene in enumerate(scenes):
        for column, item in enumerate(scene.objects):
            shape, colour = ALL_SHAPES.index(item.shape), ALL_COLOURS.index(item.colour)
            table[row, column] = torch.tensor([shape, colour, SIZES.index(item.size), item.row, item.column])
    return table


def draw_phrases(attributes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """[count, 5] phrases for a batch of scenes: half describe an object of it, half have one attribute changed."""
    present = attributes[(attributes != ABSENT).all(-1)]
    phrases = present[torch.randint(len(present), (count,), generator=generator)].clone()
    changed = torch.arange(count) < count // 2
    which = torch.randint(len(NUM_VALUES), (count,), generator=generator)
    values = (torch.rand(count, generator=generator) * torch.tensor(NUM_VALUES)[which]).long()
    phrases[changed, which[changed]] = values[changed]
    named = _FORMS[torch.randint(len(_FORMS), (count,), generator=generator)]
    return phrases.masked_fill(~named, ANY)


def fits(attributes: Tensor, phrases: Tensor) -> Tensor:
    """[N, P] bool: whether phrase p fits some object of scene n. attributes [N, 5, 5], phrases [P, 5]."""
    equal = (attributes[:, None] == phrases[None, :, None]) | (phrases == ANY)[None, :, None]
    real = (attributes[..., 0] != ABSENT)[:, None]
    return (equal.all(-1) & real).any(-1)
