"""Names of pictures: quick ones by where they stand, lasting ones by what they hold."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.images import open_image
from vistune.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vistune.data.example import ImageRef
    from vistune.data.features.names import NameTable
    from vistune.data.video import VideoFrames

DIGEST = 16
# A file written this short a time ago may change again without its times telling, which have steps of their own.
_SETTLED_NS = 2_000_000_000
_CHUNK = 1 << 20
# Begins names that hold the key itself.
_CONTENT = "content|"


def picture_names(ref: ImageRef) -> list[str]:
    """Names of the pictures of a reference, several for a video's frames, without reading a file.

    A file is named by path, size and times (of its content and of its entry, which copying tools do not set back), an
    image in memory by its pixels.

    Raises:
        ImageError: there is no such file.
    """
    from vistune.data.archives import ArchiveMember, ImageBytes
    from vistune.data.video import VideoFrames

    if isinstance(ref, VideoFrames):
        file = picture_names(ref.path)[0]
        return [f"{file}|{part}" for part in _frames(ref)]
    if isinstance(ref, ArchiveMember):
        return [f"{_file_name(ref.archive)}|{ref.member}|{ref.offset}|{ref.size}"]
    if isinstance(ref, str | Path):
        return [_file_name(ref)]
    content = _digest(ref.data) if isinstance(ref, ImageBytes) else _pixel_digest(ref)
    return [_CONTENT + content.hex()]


def describe(ref: ImageRef) -> str:
    """What to call a picture in a message."""
    from PIL.Image import Image

    return "an image in memory" if isinstance(ref, Image) else f"image {str(ref)!r}"


class PictureKeys:
    """Keys of pictures: 16-byte hashes of the bytes of their files, which do not depend on names and places.

    Args:
        known: names of files that were read before and their keys; added to.
    """

    def __init__(self, known: NameTable) -> None:
        self._known = known

    def of(self, ref: ImageRef, names: list[str] | None = None) -> list[bytes]:
        """Keys of the pictures of a reference; a file is read unless its name is known.

        Args:
            names: its :func:`picture_names`, if they are at hand.

        Raises:
            ImageError: there is no such file, or it cannot be read.
        """
        names = names or picture_names(ref)
        if names[0].startswith(_CONTENT):
            return _held(names)
        digests = [name_digest(name) for name in names]
        keys = [key for digest in digests if (key := self._known.find(digest)) is not None]
        if len(keys) == len(names):
            return keys
        keys = content_keys(ref)
        if is_settled(names[0]):
            self._known.add(digests, keys)
        return keys


def name_digest(name: str) -> bytes:
    """A name in 16 bytes."""
    return _digest(name.encode("utf-8", "surrogatepass"))


def _file_name(path: str | Path) -> str:
    try:
        status = os.stat(path)
    except OSError as error:
        raise ImageError(f"There is no image {str(path)!r} ({error.strerror}); check the path.") from error
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    return f"{newest}|{os.path.abspath(path)}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"


def is_settled(name: str) -> bool:
    """Whether a file of this name was written long enough ago for its times to tell of the next change."""
    if name.startswith(_CONTENT):
        return True
    return time.time_ns() - int(name.partition("|")[0]) > _SETTLED_NS


def _frames(video: VideoFrames) -> list[str]:
    """Names of a video's frames within it: everything but the file that says which they are."""
    choice = [f"{part.name}={getattr(video, part.name)}" for part in fields(video) if part.name != "path"]
    return [f"frame {number} of {', '.join(choice)}" for number in range(video.num_frames)]


def content_keys(ref: ImageRef) -> list[bytes]:
    """Keys of the pictures of a reference, read from its file now.

    Raises:
        ImageError: there is no such file, or it cannot be read.
    """
    from vistune.data.archives import ArchiveMember
    from vistune.data.video import VideoFrames

    if isinstance(ref, VideoFrames):
        content = content_keys(ref.path)[0]
        return [_digest(content + part.encode()) for part in _frames(ref)]
    if isinstance(ref, ArchiveMember):
        return [_digest(ref.read())]
    return [_file_digest(Path(ref))] if isinstance(ref, str | Path) else _held(picture_names(ref))


def _held(names: list[str]) -> list[bytes]:
    return [bytes.fromhex(name.removeprefix(_CONTENT)) for name in names]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST).digest()


def _file_digest(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ImageError(f"Image {str(path)!r} cannot be read ({error.strerror}); check the file.") from error
    return digest.digest()


def _pixel_digest(image: Image) -> bytes:
    """Of the upright RGB picture: the bytes of other modes mean nothing without palette, orientation or frame."""
    if image.mode != "RGB" or image.info or getattr(image, "n_frames", 1) > 1:
        image = open_image(image)
    return _digest(f"{image.size}".encode() + image.tobytes())
