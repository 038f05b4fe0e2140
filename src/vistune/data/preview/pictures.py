"""Pictures of a row as small data URIs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from vistune.data.images import open_images
from vistune.data.pages import data_uri
from vistune.errors import VistuneError

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

_SIDE = 480
_MOST = 4


def picture_strip(refs: Sequence[ImageRef]) -> str:
    """The first pictures, or frames; what is wrong with one in its place."""
    made = []
    for ref in refs[:_MOST]:
        try:
            made += [f'<img alt="" src="{data_uri(image, _SIDE)}">' for image in open_images([ref])]
        except (VistuneError, OSError) as error:
            made.append(f'<p class="problem">{escape(str(error))}</p>')
    more = f'<p class="note">and {len(refs) - _MOST} more</p>' if len(refs) > _MOST else ""
    return "".join(made) + more or '<p class="note">no picture</p>'
