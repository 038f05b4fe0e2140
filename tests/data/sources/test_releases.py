"""Every set reads a tiny release in the official form, end to end: what comes out is compared field by field."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from tests.data.releases.every import RELEASES
from tests.data.releases.videos import VIDEOS
from tests.data.releases.writing import Writer

from vistune.data.catalogue import SOURCES, source
from vistune.data.example import Example
from vistune.data.images import open_images
from vistune.data.rows import read_rows
from vistune.data.video import VideoFrames

DEFAULTS = {field.name: field.default for field in fields(Example) if field.default is not MISSING}


def shown(example: Example, root: Path) -> dict[str, Any]:
    """An Example's fields, pictures as paths relative to the data root; those in memory by their name."""
    values = {field.name: getattr(example, field.name) for field in fields(Example)}
    paths = [image.path if isinstance(image, VideoFrames) else image for image in example.images]
    return {**values, "images": tuple(str(path).removeprefix(f"{root}/") for path in paths)}


def test_every_set_has_a_tiny_release() -> None:
    assert set(RELEASES) == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_tiny_release_is_read_end_to_end(name: str, tmp_path: Path) -> None:
    expected = RELEASES[name](Writer(tmp_path))
    data = source(name)
    for split, rows in expected.items():
        read = list(read_rows(data, data.files(tmp_path), split))
        assert [shown(example, tmp_path) for example in read] == [{**DEFAULTS, **row} for row in rows]
        assert all(open_images(example.images) for example in read if example.images and name not in VIDEOS)


@pytest.mark.parametrize("name", VIDEOS)
def test_videos_are_four_frames_by_default(name: str, tmp_path: Path) -> None:
    expected = RELEASES[name](Writer(tmp_path))
    data = source(name)
    (split,) = expected
    (example,) = read_rows(data, data.files(tmp_path), split)
    (video,) = example.images
    assert isinstance(video, VideoFrames)
    assert video.num_frames == 4
