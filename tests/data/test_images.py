"""Pictures as people have them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vistune.data.images import open_image
from vistune.errors import ImageError


def half_and_half(mode: str = "RGB") -> Image.Image:
    """Left half dark, right half bright."""
    pixels = np.zeros((8, 12), np.uint8)
    pixels[:, 6:] = 255
    return Image.fromarray(pixels).convert(mode)


def sides(image: Image.Image) -> tuple[int, int]:
    """Mean brightness of the left and the right half, RGB."""
    values = np.asarray(image, dtype=float)
    middle = values.shape[1] // 2
    return round(values[:, :middle].mean()), round(values[:, middle:].mean())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = open_image(half_and_half(mode) if mode != "LAB" else half_and_half("RGB"))
    assert image.mode == "RGB"
    assert sides(image) == (0, 255)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".webp", ".tif"])
def test_file_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    half_and_half().save(path)
    dark, bright = sides(open_image(path))
    assert dark < 20
    assert bright > 235
    assert sides(open_image(str(path))) == (dark, bright)


def test_sixteen_bit_and_float_greys_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 12).astype(np.uint16), (8, 1))
    path = tmp_path / "deep.png"
    Image.fromarray(ramp).save(path)
    values = np.asarray(open_image(path))[0, :, 0]
    assert values.tolist() == [round(v / 257) for v in ramp[0].tolist()]
    unit = Image.fromarray((ramp / 65535).astype(np.float32))
    assert np.abs(np.asarray(open_image(unit))[0, :, 0].astype(int) - values).max() <= 1


def test_animated_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert open_image(tmp_path / "moving.gif").getpixel((0, 0)) == (255, 0, 0)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = half_and_half()
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(tmp_path / "turned.png", exif=exif)
    assert sides(open_image(tmp_path / "turned.png")) == (255, 0)


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"this is no picture", "is no picture that Pillow can read"),
        (png_header(20000, 10000), "megapixels|far too large"),
        (png_header(12000, 11000), "has 12000x11000 pixels"),
        (png_header(40000, 3), "strip"),
    ],
    ids=["empty", "text", "200 megapixels", "132 megapixels", "strip"],
)
def test_files_that_are_no_use(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message) as caught:
        open_image(path)
    assert "bad.png" in str(caught.value)


def test_cut_off_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ImageError, match=r"cut\.jpg.*damaged or cut off"):
        open_image(path)


def test_missing_folder_and_wrong_type(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="There is no image"):
        open_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="is a folder"):
        open_image(tmp_path)
    with pytest.raises(ImageError, match="Got int as an image"):
        open_image(7)  # type: ignore[arg-type]
