"""Opening pictures as people have them, and turning them into pixel tensors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from vistune.data.example import ImageRef

MAX_PIXELS = 120_000_000
MAX_ASPECT = 200


def open_image(ref: ImageRef) -> Image:
    """A picture as upright 8-bit RGB.

    Takes a path or a PIL image of any mode: animated ones give their first frame, EXIF rotation is applied, 16-bit and
    float greys are scaled, CMYK, palette and alpha are converted as ``convert("RGB")`` does (so do LAVIS and
    transformers).

    Raises:
        ImageError: no such file, empty, not a picture, damaged, above 120 megapixels, or a strip thinner than 1:200.
    """
    from PIL import Image as pil
    from PIL import ImageOps, UnidentifiedImageError

    name = "the given image" if not isinstance(ref, str | Path) else f"image {str(ref)!r}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pil.DecompressionBombWarning)
            image = _open_file(Path(ref), name) if isinstance(ref, str | Path) else ref
            if not isinstance(image, pil.Image):
                raise ImageError(f"Got {type(ref).__name__} as an image; expected a path or a PIL image.")
            _check_size(image, name)
            image.seek(0)
            image.load()
            upright = ImageOps.exif_transpose(image) or image
            return _to_rgb(upright)
    except pil.DecompressionBombError as error:
        raise ImageError(f"{_start(name)} is far too large ({error}); make it smaller first.") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{_start(name)} is no picture that Pillow can read; expected JPEG, PNG or alike.") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{_start(name)} cannot be read ({error}); is the file damaged or cut off?") from error


def _start(name: str) -> str:
    return name[0].upper() + name[1:]


def _open_file(path: Path, name: str) -> Image:
    from PIL import Image as pil

    if not path.exists():
        raise ImageError(f"There is no {name}; check the path.")
    if path.is_dir():
        raise ImageError(f"{_start(name)} is a folder; give a picture file.")
    if path.stat().st_size == 0:
        raise ImageError(f"{_start(name)} is empty (0 bytes); fetch or copy it again.")
    return pil.open(path)


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
