"""What a picture looks like in twice 64 bits: nearly the same for copies that were saved again, resized or brightened.

The hash is dHash: whether each of 8 x 8 places is brighter than its left neighbour, and whether than its upper one.
Crops shift these places, so a picture also has the hashes of ten slight crops of itself; a copy that was cropped looks
like one of them.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vistune.data.images import image_bytes, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

    from vistune.data.example import ImageRef

    Box = tuple[float, float, float, float]

SIDE = 128
VARIANTS = 11
"""Hashes of a picture: of the whole and of ten crops."""
_GRID = 8
_COMPARED = 24
# A picture of which so few neighbouring places differ by more than this looks like any other plain one.
_FEWEST_EDGES, _EDGE = 12, 2
_CENTRES, _SIDES, _CORNERS = (0.06, 0.10), (0.06,), (0.06,)


def grey_square(ref: ImageRef) -> Image:
    """A picture as 128 x 128 grey values, its sides squeezed alike; JPEGs are only decoded as finely as needed.

    Raises:
        ImageError: there is no such picture, or it cannot be read.
    """
    from PIL import Image as pil

    data = image_bytes(ref)
    image = None
    if data is not None and data.startswith(b"\xff\xd8"):
        with io.BytesIO(data) as file:
            try:
                jpeg = pil.open(file)
                jpeg.draft("L", (SIDE, SIDE))
                image = open_image(jpeg)
            except (OSError, ValueError):
                # Opened again in the usual way, which names it in its error.
                image = None
    image = image or open_image(ref)
    return image.convert("L").resize((SIDE, SIDE), pil.Resampling.LANCZOS)


def look_hashes(square: Image) -> NDArray[np.uint64]:
    """[11, 2] dHashes of a :func:`grey_square`, by left and by upper neighbours: of all of it, then of slight crops."""
    return np.array([[_bits(_across(square, box)), _bits(_down(square, box))] for box in _boxes()], dtype=np.uint64)


def is_plain(square: Image) -> bool:
    """Whether there is too little in a picture to know it by its hash: a blank page, a single colour."""
    differences = np.abs(_across(square, _boxes()[0]))
    return int((differences > _EDGE).sum()) < _FEWEST_EDGES


def likeness(first: Image, second: Image) -> float:
    """Correlation of two grey squares, of one or the other cropped as fits best: 1 for copies, near 0 for others."""
    return max(_best(first, second), _best(second, first))


def _best(cropped: Image, whole: Image) -> float:
    """Best correlation of a crop with the whole other picture: of the slight crops, then with the edges moved."""
    target = _normal(whole, _boxes()[0])

    def score(box: Box) -> float:
        return float(_normal(cropped, box) @ target)

    best = max(_boxes(), key=score)
    value = score(best)
    for step in (0.02 * SIDE, 0.01 * SIDE):
        moved = [_moved(best, edge, sign * step) for edge in range(4) for sign in (-1, 1)]
        for box in moved:
            if (found := score(box)) > value:
                best, value = box, found
    return value


def _moved(box: Box, edge: int, by: float) -> Box:
    edges = list(box)
    edges[edge] = min(max(edges[edge] + by, 0.0), float(SIDE))
    return (edges[0], edges[1], edges[2], edges[3])


def _normal(square: Image, box: Box) -> NDArray[np.float64]:
    from PIL import Image as pil

    values = np.asarray(square.resize((_COMPARED, _COMPARED), pil.Resampling.BOX, box=box), dtype=np.float64).ravel()
    values = values - values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-9)


def _across(square: Image, box: Box) -> NDArray[np.int16]:
    from PIL import Image as pil

    values = np.asarray(square.resize((_GRID + 1, _GRID), pil.Resampling.BOX, box=box), dtype=np.int16)
    return values[:, 1:] - values[:, :-1]


def _down(square: Image, box: Box) -> NDArray[np.int16]:
    from PIL import Image as pil

    values = np.asarray(square.resize((_GRID, _GRID + 1), pil.Resampling.BOX, box=box), dtype=np.int16)
    return values[1:] - values[:-1]


def _bits(differences: NDArray[np.int16]) -> int:
    return int.from_bytes(np.packbits(differences > 0).tobytes())


@lru_cache(maxsize=1)
def _boxes() -> tuple[Box, ...]:
    """The whole square, and what is left of it when a share of its width and height is cut off."""
    shares = [(0.0, 0.0, 0.0, 0.0)]
    shares += [(share / 2, share / 2, share / 2, share / 2) for share in _CENTRES]
    for share in _SIDES:
        shares += [tuple(share if edge == side else 0.0 for edge in range(4)) for side in range(4)]  # type: ignore[misc]
    for share in _CORNERS:
        shares += [(share, share, 0, 0), (share, 0, 0, share), (0, share, share, 0), (0, 0, share, share)]
    return tuple((left * SIDE, top * SIDE, (1 - right) * SIDE, (1 - low) * SIDE) for left, top, right, low in shares)
