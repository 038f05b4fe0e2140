"""Pictures inside a page."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def data_uri(image: Image, side: int) -> str:
    """A picture as a data URI: large ones reduced to ``side``, small ones enlarged so that browsers do not blur them.

    Args:
        side: pixels of the longer edge.
    """
    from PIL import Image as pil

    longer = max(image.size)
    small = longer * 2 <= side
    if small:
        factor = side // longer
        image = image.resize((image.width * factor, image.height * factor), pil.Resampling.NEAREST)
    else:
        image = image.copy()
        image.thumbnail((side, side))
    buffer = BytesIO()
    if small:
        image.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=82)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(buffer.getvalue()).decode()}"
