"""Pictures as people have them: the odd ones work, the impossible ones give one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import failure, vistune
from tests.tiny import picture

PROMPT = "What is it?"


def _animated(path: Path) -> Path:
    frames = [picture(seed) for seed in range(3)]
    frames[0].save(path.with_suffix(".gif"), save_all=True, append_images=frames[1:])
    return path.with_suffix(".gif")


def _sixteen_bit(path: Path) -> Path:
    grey = np.asarray(picture().convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def _rotated(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    picture().save(path.with_suffix(".jpg"), exif=exif)
    return path.with_suffix(".jpg")


def _in_mode(mode: str, suffix: str) -> Callable[[Path], Path]:
    def save(path: Path) -> Path:
        picture().convert(mode).save(path.with_suffix(suffix))
        return path.with_suffix(suffix)

    return save


ODD = {
    "animated": _animated,
    "16-bit": _sixteen_bit,
    "EXIF-rotated": _rotated,
    "CMYK": _in_mode("CMYK", ".jpg"),
    "palette": _in_mode("P", ".png"),
    "grey": _in_mode("L", ".png"),
    "grey with alpha": _in_mode("LA", ".png"),
    "transparent": _in_mode("RGBA", ".png"),
    "black and white": _in_mode("1", ".png"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_work(tiny_checkpoints: dict[str, Path], tmp_path: Path, kind: str) -> None:
    path = ODD[kind](tmp_path / "picture")
    outcome = vistune("ask", tiny_checkpoints["llava-mlp"], path, PROMPT, "--max-new-tokens", 2)
    assert (outcome.code, outcome.err) == (0, "")


def _missing(path: Path) -> None:
    """Write nothing."""


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("<html>404</html>")


def _cut_off(path: Path) -> None:
    picture(size=(200, 200)).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:300])


def _folder(path: Path) -> None:
    path.mkdir()


def _200_megapixels(path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(path, format="PNG")


@pytest.mark.parametrize("write", [_missing, _empty, _text, _cut_off, _folder, _200_megapixels])
def test_impossible_pictures(tiny_checkpoints: dict[str, Path], tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "photo.png"
    write(path)
    assert str(path) in failure("ask", tiny_checkpoints["llava-mlp"], path, PROMPT, code=1)


def test_rotation_is_applied(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """The turned picture gets the scores of the same pixels saved upright."""
    turned = _rotated(tmp_path / "turned")
    upright = tmp_path / "upright.png"
    with Image.open(turned) as image:
        image.transpose(Image.Transpose.ROTATE_270).save(upright)
    arguments = [PROMPT, "--choices", "yes|no|red"]
    outcomes = [vistune("ask", tiny_checkpoints["llava-mlp"], path, *arguments) for path in (turned, upright)]
    assert outcomes[0] == outcomes[1]
