"""Cutting, padding and scaling pictures: the geometry of the papers' image preparation, on Pillow images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from PIL.Image import Image

_ATTEMPTS = 10
_ASPECTS = (3 / 4, 4 / 3)


def resize_short(image: Image, short: int, resample: int) -> Image:
    """Scale the short side to ``short`` and keep the aspect, the long side rounded down (as transformers does)."""
    width, height = image.size
    if width <= height:
        return image.resize((short, int(short * height / width)), resample)
    return image.resize((int(short * width / height), short), resample)


def center_crop(image: Image, size: tuple[int, int]) -> Image:
    """The middle (width, height) of a picture that is at least as large; one pixel too many is cut off at the end."""
    left, top = ((have - want) // 2 for have, want in zip(image.size, size, strict=True))
    return image.crop((left, top, left + size[0], top + size[1]))


def pad_to_square(image: Image, background: tuple[int, int, int]) -> Image:
    """The whole picture in the middle of a square of its long side (LLaVA's expand2square)."""
    from PIL import Image as pil

    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    square = pil.new("RGB", (side, side), background)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def random_box(size: tuple[int, int], scale: tuple[float, float], draw: random.Random) -> tuple[int, int, int, int]:
    """Box of a random share of the area and a random aspect, as torchvision's RandomResizedCrop draws them.

    Returns:
        (left, top, right, bottom); the middle of the picture where ten boxes in a row did not fit into it.
    """
    width, height = size
    for _ in range(_ATTEMPTS):
        area = width * height * draw.uniform(*scale)
        aspect = math.exp(draw.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
        box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            left, top = draw.randint(0, width - box_width), draw.randint(0, height - box_height)
            return left, top, left + box_width, top + box_height
    box_width = min(width, max(1, round(height * _ASPECTS[1])))
    box_height = min(height, max(1, round(width / _ASPECTS[0])))
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height
