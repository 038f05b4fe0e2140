"""Opening pictures as people have them, and turning them into pixel tensors."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from vistune.data.example import ImageRef

MAX_PIXELS = 120_000_000
MAX_ASPECT = 200
_ORIENTATION = 0x0112
# Files up to this size are read in one go.
_WHOLE = 2**26


def open_image(ref: ImageRef) -> Image:
    """A picture as upright 8-bit RGB.

    Takes a path, a member of an archive, bytes or a PIL image of any mode: animated ones give their first frame, EXIF
    rotation is applied, 16-bit and float greys are scaled, CMYK, palette and alpha are converted as
    ``convert("RGB")`` does (so do LAVIS and transformers).

    Raises:
        ImageError: no such file, empty, not a picture, damaged, above 120 megapixels, or a strip thinner than 1:200.
    """
    from PIL import Image as pil
    from PIL import ImageOps, UnidentifiedImageError

    name = _name(ref)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pil.DecompressionBombWarning)
            image = _opened(ref, name)
            _check_size(image, name)
            image.seek(0)
            image.load()
            # exif_transpose copies a picture that stands upright already.
            turned = image.getexif().get(_ORIENTATION, 1) != 1
            return _to_rgb(ImageOps.exif_transpose(image) or image if turned else image)
    except pil.DecompressionBombError as error:
        raise ImageError(f"{_start(name)} is far too large ({error}); make it smaller first.") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{_start(name)} is no picture that Pillow can read; expected JPEG, PNG or alike.") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, RuntimeError, struct.error) as error:
        # The last two: a damaged AVIF, and EXIF that cannot be written back.
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{_start(name)} cannot be read ({error}); is the file damaged or cut off?") from error


def open_images(refs: Sequence[ImageRef]) -> list[Image]:
    """Every picture in reading order; a video gives its frames. Errors as in `open_image`, with ``ref``."""
    from vistune.data.video import VideoFrames

    images: list[Image] = []
    for ref in refs:
        with blaming(ref):
            images += map(open_image, ref.read() if isinstance(ref, VideoFrames) else [ref])
    return images


@contextmanager
def blaming(ref: ImageRef) -> Iterator[None]:
    """Image errors within say whose they are, for callers that know what the picture belongs to."""
    try:
        yield
    except ImageError as error:
        error.ref = ref
        raise


def count_images(refs: Sequence[ImageRef]) -> int:
    """How many pictures `open_images` gives, without opening anything."""
    return sum(getattr(ref, "num_frames", 1) for ref in refs)


def image_bytes(ref: ImageRef) -> bytes | None:
    """The bytes of a picture's file as they stand, None for a picture that is none (a PIL image).

    Raises:
        ImageError: there is no such file, or it cannot be read.
    """
    if isinstance(ref, str | Path):
        path = Path(ref)
        _file_size(path, _name(ref))
        try:
            return path.read_bytes()
        except OSError as error:
            raise ImageError(f"{_start(_name(ref))} cannot be read ({error.strerror}); check its rights.") from error
    return ref.read() if isinstance(ref, _readable()) else None  # type: ignore[union-attr, return-value]


def _readable() -> tuple[type, ...]:
    from vistune.data.archives import ArchiveMember, ImageBytes

    return (ArchiveMember, ImageBytes)


def _name(ref: object) -> str:
    named = isinstance(ref, (str, Path, *_readable()))
    return f"image {str(ref)!r}" if named else "the given image"


def _start(name: str) -> str:
    return name[0].upper() + name[1:]


def _opened(ref: object, name: str) -> Image:
    from PIL import Image as pil

    if isinstance(ref, str | Path):
        size = _file_size(ref, name)
        # Read at once: Pillow would ask for many small pieces.
        return pil.open(ref if size > _WHOLE else io.BytesIO(Path(ref).read_bytes()))
    if isinstance(ref, _readable()):
        data: bytes = ref.read()  # type: ignore[attr-defined]
        if not data:
            raise ImageError(f"{_start(name)} is empty (0 bytes); fetch or copy it again.")
        return pil.open(io.BytesIO(data))
    if not isinstance(ref, pil.Image):
        raise ImageError(f"Got {type(ref).__name__} as an image; expected a path or a PIL image.")
    return ref


def _file_size(path: str | Path, name: str) -> int:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"There is no {name}; check the path.") from None
    if stat.S_ISDIR(found.st_mode):
        raise ImageError(f"{_start(name)} is a folder; give a picture file.")
    if found.st_size == 0:
        raise ImageError(f"{_start(name)} is empty (0 bytes); fetch or copy it again.")
    return found.st_size


def _check_size(image: Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{_start(name)} has {width}x{height} pixels ({width * height / 1e6:.0f} megapixels), at most "
            f"{MAX_PIXELS / 1e6:.0f} are taken; make it smaller first."
        )
    if min(width, height) == 0 or max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"{_start(name)} has {width}x{height} pixels, a strip thinner than 1:{MAX_ASPECT}; crop it first."
        )


def _to_rgb(image: Image) -> Image:
    """8-bit RGB; plain convert() would clip 16-bit and float greys instead of scaling them."""
    import numpy as np
    from PIL import Image as pil

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = float(values.max(initial=0.0))
        full_scale = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 and image.mode in "IF" else 65535.0
        image = pil.fromarray(np.clip(values * (255.0 / full_scale), 0, 255).round().astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def pixel_values(images: Sequence[Image], image_processor: Any) -> Tensor:
    """RGB pictures through a transformers image processor (PIL backend) -> [n, 3, H, W] float32"""
    tensor: Tensor = image_processor(images=list(images), return_tensors="pt")["pixel_values"]
    return tensor
