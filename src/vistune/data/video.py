"""Video files as a few pictures, sampled uniformly (InstructBLIP, section 3: four frames a video)."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import ImageError, InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vistune.data.archives import ArchiveMember, ImageBytes

logger = logging.getLogger(__name__)
# A video whose pictures end before this share of the time that it says to last is cut off; a little less is usual.
_WHOLE = 0.9
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class VideoFrames:
    """Frames of a video file, read when they are needed.

    Args:
        path: the file, a member of an archive, or bytes.
        num_frames: how many; a video with fewer gives some of them more than once.
    """

    path: Path | ArchiveMember | ImageBytes
    num_frames: int = 4

    def __post_init__(self) -> None:
        if self.num_frames < 1:
            raise InputError(f"num_frames is {self.num_frames}; expected at least 1 frame of a video.")

    def __str__(self) -> str:
        return f"{self.path} ({self.num_frames} frames)"

    def read(self) -> list[Image]:
        """The frames as upright RGB pictures, ``num_frames`` of them in the order of time.

        Of a file that is cut off they are taken from what is left, with a warning.

        Raises:
            InputError: PyAV is not installed. ImageError: no such file, or no video that FFmpeg can read.
        """
        try:
            import av
        except ImportError as error:
            raise InputError("Reading videos needs PyAV; install it with: pip install 'vistune[video]'.") from error
        if isinstance(self.path, Path) and not self.path.is_file():
            raise ImageError(f"There is no video {str(self.path)!r}; check the path.")
        try:
            return self._frames(av)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, ImageError):
                raise
            # FFmpeg's errors end in the path once more.
            why = getattr(error, "strerror", None) or error
            raise ImageError(f"Video {str(self.path)!r} cannot be read ({why}); is it whole?") from error

    def _frames(self, av: Any) -> list[Image]:
        # Containers say nothing, or something wrong, about their number of frames. Packets are counted without
        # decoding; where they are more than the frames that come out (cut off, damaged), the frames count.
        count = self._count_packets(av)
        wanted = sample_indices(count, self.num_frames)
        frames, decoded = self._decode(av, wanted)
        if decoded <= wanted[-1]:
            wanted = sample_indices(decoded, self.num_frames)
            frames, _ = self._decode(av, wanted)
        return [frames[index] for index in wanted]

    def _count_packets(self, av: Any) -> int:
        with self._open(av) as container:
            if not container.streams.video:
                raise ImageError(f"Video {str(self.path)!r} has no pictures, only {_kinds(container)}; leave it out.")
            stream = container.streams.video[0]
            told = float(stream.duration * stream.time_base) if stream.duration else 0.0
            told = told or (container.duration or 0) / _MICROSECONDS
            ends = [_end(packet) for packet in container.demux(stream) if packet.size > 0]
        end = max(ends, default=0.0)
        # Some containers do not say how long the last frame lasts, and some have no times at all.
        if end and end + told / len(ends) < _WHOLE * told:
            logger.warning(
                "Video %r is cut off: %.1f of %.1f s are left, and frames are taken from these; fetch it again.",
                str(self.path),
                end,
                told,
            )
        return len(ends)

    def _decode(self, av: Any, wanted: Sequence[int]) -> tuple[dict[int, Image], int]:
        """The wanted frames by index, and how many frames were passed up to the last of them."""
        frames: dict[int, Image] = {}
        number = 0
        with self._open(av) as container:
            for frame in container.decode(video=0):
                if number in wanted:
                    image = frame.to_image()
                    # Telephones write upright pictures lying down, with the angle beside them.
                    frames[number] = image.rotate(frame.rotation, expand=True) if frame.rotation else image
                number += 1
                if number > wanted[-1]:
                    break
        if number == 0:
            raise ImageError(f"Video {str(self.path)!r} has no frame that can be decoded; is it cut off?")
        return frames, number

    def _open(self, av: Any) -> Any:
        return av.open(str(self.path) if isinstance(self.path, Path) else io.BytesIO(self.path.read()))


def sample_indices(count: int, num_frames: int) -> list[int]:
    """Frames at i * count / num_frames: for four 0, n/4, n/2 and 3n/4, as LAVIS did when InstructBLIP was released."""
    return [index * max(count, 1) // num_frames for index in range(num_frames)]


def _end(packet: Any) -> float:
    """When a packet's frame ends, in seconds; 0 where that is not told."""
    start = packet.dts if packet.pts is None else packet.pts
    return 0.0 if start is None or not packet.time_base else float((start + (packet.duration or 0)) * packet.time_base)


def _kinds(container: Any) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
