"""Pictures of scenes, drawn with Pillow at any size: antialiased by supersampling, with light noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vistune.errors import InputError
from vistune.world.scene import Scene, SceneObject

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_RGB = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (235, 205, 40),
    "purple": (145, 50, 175),
    "orange": (245, 140, 30),
    "black": (25, 25, 25),
    "gray": (128, 128, 128),
    "teal": (20, 140, 140),
    "brown": (130, 75, 35),
}
# Radius and greatest shift as parts of a cell's half width: a large object may just touch its neighbour's cell.
_RADIUS = {"small": 0.45, "large": 0.85}
_SHIFT = {"small": 0.4, "large": 0.2}
_NOISE = 5.0  # standard deviation, of 255
_SUPERSAMPLING = 4
_Point = tuple[float, float]


def render(scene: Scene, size: int = 48) -> Image.Image:
    """RGB picture of `size` x `size` pixels. The same scene gives the same pixels; the noise is the scene's own."""
    import numpy
    from PIL import Image, ImageDraw

    if size < 8:
        raise InputError(f"a picture of the world needs at least 8 pixels a side, got size={size}")
    canvas = Image.new("RGB", (size * _SUPERSAMPLING,) * 2, scene.background)
    draw = ImageDraw.Draw(canvas)
    for item in scene.objects:
        _draw_object(draw, item, size * _SUPERSAMPLING / 6, scene.background)
    pixels = numpy.asarray(canvas.reduce(_SUPERSAMPLING), dtype=numpy.float32)
    noise = numpy.random.default_rng(scene.noise_seed).standard_normal(pixels.shape, dtype=numpy.float32)
    return Image.fromarray((pixels + _NOISE * noise).clip(0, 255).astype(numpy.uint8))


def _draw_object(draw: ImageDraw.ImageDraw, item: SceneObject, half: float, background: tuple[int, int, int]) -> None:
    """`half` is half the width of a cell in pixels of the canvas."""
    shift = half * _SHIFT[item.size]
    x = (2 * item.column + 1) * half + shift * item.dx
    y = (2 * item.row + 1) * half + shift * item.dy
    radius = half * _RADIUS[item.size]
    red, green, blue = (max(0, min(255, round(value + 15 * item.shade))) for value in _RGB[item.colour])
    fill = (red, green, blue)
    if item.shape in ("circle", "ring"):
        draw.ellipse(_box(x, y, radius), fill=fill)
        if item.shape == "ring":
            draw.ellipse(_box(x, y, radius * 0.55), fill=background)
    elif item.shape == "cross":
        arm = radius * 0.35
        draw.rectangle((x - radius, y - arm, x + radius, y + arm), fill=fill)
        draw.rectangle((x - arm, y - radius, x + arm, y + radius), fill=fill)
    elif item.shape == "square":
        draw.rectangle(_box(x, y, radius * 0.85), fill=fill)
    elif item.shape == "rectangle":
        draw.rectangle((x - radius, y - radius * 0.5, x + radius, y + radius * 0.5), fill=fill)
    elif item.shape == "triangle":
        draw.polygon(_corners(x, y + radius * 0.2, radius * 1.1, 3), fill=fill)
    elif item.shape == "star":
        draw.polygon(_star(x, y, radius * 1.05), fill=fill)
    else:
        raise InputError(f"unknown shape {item.shape!r}: render.py draws no such thing")


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return (x - radius, y - radius, x + radius, y + radius)


def _corners(x: float, y: float, radius: float, count: int, turn: float = 0.0) -> list[_Point]:
    """Corners of a regular polygon, the first one straight above the middle when `turn` (radians) is 0."""
    angles = (turn + 2 * math.pi * corner / count for corner in range(count))
    return [(x + radius * math.sin(angle), y - radius * math.cos(angle)) for angle in angles]


def _star(x: float, y: float, radius: float) -> list[_Point]:
    outer = _corners(x, y, radius, 5)
    inner = _corners(x, y, radius * 0.4, 5, math.pi / 5)
    return [point for pair in zip(outer, inner, strict=True) for point in pair]
