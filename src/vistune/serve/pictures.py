"""Pictures as requests bring them: data URLs, and files under one folder where the server was told so."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from vistune.errors import ImageError
from vistune.serve.refusal import Refusal

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is opened for a stranger; Pillow reads others, some by starting programs (EPS)."""
MAX_FILE_BYTES = 2**26
_DATA_URL = re.compile(r"data:(?P<type>[\w.+/-]*)(?:;[\w.+=-]+)*?;base64,", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """A picture of a request. ``place``: for messages, such as ``messages[0].content[1]``."""

    url: str
    place: str


def open_picture(picture: Picture, root: Path | None) -> Image:
    """The picture as upright RGB.

    Args:
        root: folder under which ``file://`` URLs may lead; None: nowhere.

    Raises:
        Refusal: an URL that is not followed, or no picture that can be used.
    """
    from vistune.data.archives import ImageBytes
    from vistune.data.images import open_image

    data = _bytes_of(picture, root)
    try:
        _check_format(data, picture.place)
        return open_image(ImageBytes(picture.place, data))
    except ImageError as error:
        raise Refusal(str(error), param=picture.place, code="invalid_image") from error


def _bytes_of(picture: Picture, root: Path | None) -> bytes:
    scheme = picture.url[:8].split(":")[0].lower()
    if scheme == "data":
        return _decoded(picture)
    if scheme == "file" and root is not None:
        return _file_bytes(picture, root)
    shown = picture.url if len(picture.url) <= 60 else picture.url[:57] + "..."
    raise Refusal(
        f"{picture.place} is {shown!r}, and this server fetches nothing; send the picture itself as "
        "data:image/png;base64,...",
        param=picture.place,
        code="invalid_image_url",
    )


def _decoded(picture: Picture) -> bytes:
    head = _DATA_URL.match(picture.url[:200])
    if head is None:
        raise Refusal(
            f"{picture.place} begins with {picture.url[:40]!r}; expected data:image/png;base64,... or alike.",
            param=picture.place,
            code="invalid_image_url",
        )
    words = picture.url[head.end() :]
    try:
        return base64.b64decode(unquote(words) if "%" in words else words, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(
            f"{picture.place} is no base64 ({error}); encode the picture's file again.",
            param=picture.place,
            code="invalid_base64",
        ) from error


def _file_bytes(picture: Picture, root: Path) -> bytes:
    """Of a file whose real place, links followed, is under the root; whatever goes wrong is told alike."""
    try:
        url = urlsplit(picture.url)
        path = Path(unquote(url.path)).resolve()
        allowed = url.netloc in ("", "localhost") and path.is_relative_to(root.resolve()) and path.is_file()
        if allowed and path.stat().st_size <= MAX_FILE_BYTES:
            return path.read_bytes()
    except (OSError, ValueError):
        pass
    raise Refusal(
        f"{picture.place} names no file under this server's picture folder of at most {MAX_FILE_BYTES // 2**20} MB.",
        param=picture.place,
        code="invalid_image_url",
    )


def _check_format(data: bytes, place: str) -> None:
    from PIL import Image as pil
    from PIL import UnidentifiedImageError

    pil.init()
    formats = [name for name in FORMATS if name in pil.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pil.DecompressionBombWarning)
            pil.open(io.BytesIO(data), formats=formats).close()
    except UnidentifiedImageError as error:
        what = "is empty" if not data else "is no picture"
        raise ImageError(f"{place} {what}; expected a file of one of the kinds {', '.join(formats)}.") from error
    except (pil.DecompressionBombError, OSError, ValueError, SyntaxError, RuntimeError):
        # Opening it tells what is wrong.
        return
