"""Examples as columns: the schema of a built set, and the way from an Example to its cells."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

    from vistune.data.example import Example, ImageRef

TEXTS = ("id", "task", "instruction", "target", "question", "context", "caption", "lecture", "rationale")
LISTS = ("candidates", "references", "ocr_tokens", "choices", "answers", "source_ids", "parts")
PAIRS = ("turns", "history")
IMAGES = "images"


def schema() -> pa.Schema:
    """Columns of a built set: every field of `Example` by its name."""
    import pyarrow as pa

    pair = pa.struct([("user", pa.string()), ("assistant", pa.string())])
    image = pa.struct(
        [
            ("path", pa.string()),  # of the picture's file or of the archive that holds it, relative to the root
            ("member", pa.string()),
            ("offset", pa.int64()),
            ("size", pa.int64()),
            ("packed_size", pa.int64()),
            ("method", pa.int8()),
            ("crc", pa.int64()),
            ("num_frames", pa.int32()),  # of a video; null for a picture
            ("data", pa.binary()),  # the file itself, where it is embedded
        ]
    )
    return pa.schema(
        [(name, pa.string()) for name in TEXTS]
        + [(name, pa.list_(pa.string())) for name in LISTS]
        + [(name, pa.list_(pair)) for name in PAIRS]
        + [(IMAGES, pa.list_(image))]
    )


def cells(example: Example, root: Path, embed: bool) -> dict[str, Any]:
    """An Example as the cells of a row.

    Args:
        root: paths below it are kept relative to it. embed: keep the bytes of pictures instead of where they are.

    Raises:
        ImageError: a picture that is to be embedded cannot be read.
    """
    row: dict[str, Any] = {name: getattr(example, name) for name in (*TEXTS, *LISTS)}
    for name in PAIRS:
        row[name] = [{"user": first, "assistant": second} for first, second in getattr(example, name)]
    row[IMAGES] = [_image(ref, root, embed) for ref in example.images]
    return row


def embedded_bytes(row: Mapping[str, Any]) -> int:
    """Size of the pictures in a row, bytes."""
    return sum(len(image["data"]) for image in row[IMAGES] if image.get("data") is not None)


def _image(ref: ImageRef, root: Path, embed: bool) -> dict[str, Any]:
    from PIL import Image as pil

    from vistune.data.archives import ArchiveMember, ImageBytes
    from vistune.data.video import VideoFrames

    if isinstance(ref, VideoFrames):
        return {**_image(ref.path, root, embed), "num_frames": ref.num_frames}
    if isinstance(ref, pil.Image):
        return {"path": "picture.png", "data": _png(ref)}
    if isinstance(ref, ImageBytes):
        return {"path": ref.name, "data": ref.data}
    if isinstance(ref, ArchiveMember):
        if embed:
            return {"path": ref.member, "data": ref.read()}
        place = {name: getattr(ref, name) for name in ("member", "offset", "size", "packed_size", "method", "crc")}
        return {"path": _relative(ref.archive, root), **place}
    if not isinstance(ref, str | Path):
        raise InputError(f"Got {type(ref).__name__} as an image; expected a path or a picture.")
    if embed:
        from vistune.data.images import image_bytes

        return {"path": _relative(ref, root), "data": image_bytes(ref)}
    return {"path": _relative(ref, root)}


def _relative(path: Path | str, root: Path) -> str:
    absolute, start = os.path.abspath(path), os.path.join(root, "")
    return absolute.removeprefix(start)


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
