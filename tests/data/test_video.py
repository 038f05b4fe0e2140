"""Frames of videos made on the spot: how many, which ones, in which colours."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vistune.data.archives import ImageBytes
from vistune.data.images import count_images, open_image, open_images
from vistune.data.video import VideoFrames, sample_indices
from vistune.errors import ImageError, InputError

av = pytest.importorskip("av", reason="needs PyAV (extra `video`)")

# Red and blue differ: a video read as BGR shows.
COLORS = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 10), (10, 250, 250), (250, 10, 250), (99, 99, 99)]
FORMATS = [("mp4", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mpeg4"), ("mkv", "ffv1")]


def make_video(path: Path, codec: str, colors: list[tuple[int, int, int]]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for color in colors:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), color, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def color_of(image: Image.Image) -> tuple[int, int, int]:
    """The nearest of the colours that videos are made of; fails if none is near."""
    found = np.asarray(image, dtype=int)[20, 20]
    distances = [np.abs(found - color).max() for color in COLORS]
    assert min(distances) < 12
    return COLORS[int(np.argmin(distances))]


@pytest.mark.parametrize(("suffix", "codec"), FORMATS)
def test_every_frame_is_the_right_one(
    tmp_path: Path, suffix: str, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video(tmp_path / f"v.{suffix}", codec, COLORS)
    frames = VideoFrames(path, len(COLORS)).read()
    assert [color_of(frame) for frame in frames] == COLORS
    assert {(frame.mode, frame.size) for frame in frames} == {("RGB", (64, 48))}
    assert [color_of(frame) for frame in VideoFrames(path).read()] == [COLORS[index] for index in (0, 1, 3, 5)]
    assert [color_of(frame) for frame in VideoFrames(path, 14).read()] == [c for c in COLORS for _ in range(2)]
    assert [color_of(frame) for frame in VideoFrames(ImageBytes("v", path.read_bytes()), 2).read()] == [
        COLORS[0],
        COLORS[3],
    ]
    for colors in (COLORS[:1], COLORS[:2]):
        VideoFrames(make_video(path, codec, colors)).read()
    assert not caplog.records


def test_the_four_frames_of_the_release() -> None:
    """0, v/4, v/2, 3v/4 rounded down."""
    assert sample_indices(300, 4) == [0, 75, 150, 225]
    assert sample_indices(7, 4) == [0, 1, 3, 5]
    assert sample_indices(1, 4) == [0, 0, 0, 0]


def test_videos_and_pictures_together(tmp_path: Path) -> None:
    video = VideoFrames(make_video(tmp_path / "v.mp4", "libx264", COLORS[:2]), 2)
    refs = (Image.new("RGB", (5, 5), COLORS[3]), video)
    assert count_images(refs) == 3
    assert [color_of(image.resize((64, 48))) for image in open_images(refs)] == [COLORS[3], COLORS[0], COLORS[1]]
    with pytest.raises(ImageError, match="VideoFrames"):
        open_image(video)


def test_lying_videos_are_turned_upright(tmp_path: Path) -> None:
    """By the matrix in the file's track header, QuickTime file format: (x, y) -> (ax + cy, bx + dy), y down."""
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        pixels = np.full((48, 64, 3), COLORS[0], np.uint8)
        pixels[:, 32:] = COLORS[2]
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one, minus_one, zero = (number.to_bytes(4, "big", signed=True) for number in (0x10000, -0x10000, 0))
    assert data[matrix : matrix + 4] == one
    # a, b, u, c, d: what was left comes to the top, a quarter turn clockwise, as telephones write it.
    data[matrix : matrix + 20] = zero + one + zero + minus_one + zero
    path.write_bytes(data)
    (frame,) = VideoFrames(path, 1).read()
    assert frame.size == (48, 64)
    assert color_of(frame.crop((0, 0, 48, 30))) == COLORS[0]
    assert color_of(frame.crop((0, 34, 48, 64))) == COLORS[2]


def test_cut_off_videos(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = make_video(tmp_path / "v.mkv", "ffv1", COLORS)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    frames = [color_of(frame) for frame in VideoFrames(path, 4).read()]
    assert frames[0] == COLORS[0]
    assert 1 < len(set(frames)) <= 4
    assert f"Video {str(path)!r} is cut off: " in caplog.text and " of 1.4 s are left" in caplog.text


def test_what_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "no.mp4"
    text.write_bytes(b"hello " * 100)
    with pytest.raises(ImageError, match=r"no\.mp4' cannot be read"):
        VideoFrames(text).read()
    with pytest.raises(ImageError, match=r"There is no video '.*gone\.mp4'"):
        VideoFrames(tmp_path / "gone.mp4").read()
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ImageError, match="has no pictures, only audio"):
        VideoFrames(tmp_path / "sound.mkv").read()
    with pytest.raises(InputError, match="num_frames is 0"):
        VideoFrames(text, 0)


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'vistune\[video\]'"):
        VideoFrames(tmp_path / "v.mp4").read()
