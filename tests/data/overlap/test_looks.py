"""Copies of photographs are known by their look, other photographs are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.tiny import picture

from vistune.data.archives import ImageBytes
from vistune.data.hashing import VARIANTS, grey_square, is_plain, likeness, look_hashes
from vistune.errors import ImageError

Change = Callable[[Image.Image], Image.Image]


def saved(image: Image.Image, quality: int) -> Image.Image:
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=quality)
        return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def scaled(image: Image.Image, width: float, height: float) -> Image.Image:
    return image.resize((round(image.width * width), round(image.height * height)), Image.Resampling.BICUBIC)


def cut(image: Image.Image, left: float, top: float, right: float, low: float) -> Image.Image:
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - low) * height)
    return image.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]


COPIES: dict[str, Change] = {
    "jpeg 75": lambda image: saved(image, 75),
    "jpeg 30": lambda image: saved(image, 30),
    "half": lambda image: scaled(image, 0.5, 0.5),
    "double": lambda image: scaled(image, 2, 2),
    "squeezed": lambda image: image.resize((224, 224)),
    "tiny": lambda image: image.resize((64, 64)),
    "grey": lambda image: image.convert("L"),
    "centre of 95 %": lambda image: cut(image, 0.025, 0.025, 0.025, 0.025),
    "centre of 90 %": lambda image: cut(image, 0.05, 0.05, 0.05, 0.05),
    "left 5 % off": lambda image: cut(image, 0.05, 0, 0, 0),
    "low 5 % off": lambda image: cut(image, 0, 0, 0, 0.05),
    "corner 5 % off, half, jpeg 50": lambda image: saved(scaled(cut(image, 0.05, 0.05, 0, 0), 0.5, 0.5), 50),
}


@pytest.fixture(scope="module")
def squares(photographs: list[Path]) -> list[Image.Image]:
    return [grey_square(path) for path in photographs]


def near(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether one looks like a variant of the other, as `match.similar` has it."""
    for whole, variants in ((first[0], second), (second[0], first)):
        bits = np.bitwise_count(variants ^ whole)
        if bool(((bits[:, 0] <= 10) & (bits[:, 1] <= 14)).any()):
            return True
    return False


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_alike(photographs: list[Path], squares: list[Image.Image], name: str) -> None:
    found = 0
    chosen = range(0, len(photographs), 6)
    for number in chosen:
        with Image.open(photographs[number]) as image:
            copy = grey_square(COPIES[name](image.convert("RGB")))
        alike = likeness(squares[number], copy) >= 0.9
        found += alike and near(look_hashes(squares[number]), look_hashes(copy))
    assert found >= 0.99 * len(chosen)


def test_other_photographs_are_not(squares: list[Image.Image]) -> None:
    hashes = np.stack([look_hashes(square) for square in squares])
    assert hashes.shape[1:] == (VARIANTS, 2)
    bits = np.bitwise_count(hashes[:, None, :, :] ^ hashes[None, :, :1, :])
    close = ((bits[..., 0] <= 10) & (bits[..., 1] <= 14)).any(-1)
    assert len(squares) > 100
    assert not (close & ~np.eye(len(squares), dtype=bool)).any()
    assert max(likeness(squares[n], squares[n + 1]) for n in range(0, 100, 4)) < 0.85
    assert not any(is_plain(square) for square in squares)


def test_mirrored_is_another_picture(photographs: list[Path]) -> None:
    """The words of an instruction may speak of left and right."""
    with Image.open(photographs[0]) as image:
        assert not near(look_hashes(grey_square(image)), look_hashes(grey_square(ImageOps.mirror(image))))


def test_plain_pictures_have_nothing_to_be_known_by() -> None:
    assert is_plain(grey_square(Image.new("RGB", (60, 40), "white")))
    page = Image.new("RGB", (200, 200), "white")
    page.paste((0, 0, 0), (90, 90, 110, 110))
    assert is_plain(grey_square(page))
    assert not is_plain(grey_square(picture(0)))


def test_what_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(1, (320, 200)).save(path, quality=95, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(path))
    assert likeness(grey_square(path), grey_square(upright)) > 0.99
    assert likeness(grey_square(ImageBytes("a", path.read_bytes())), grey_square(upright)) > 0.99
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(path.read_bytes()[:700])
    for wrong in (broken, tmp_path / "gone.jpg"):
        with pytest.raises(ImageError, match=wrong.name):
            grey_square(wrong)
