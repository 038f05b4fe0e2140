"""Features of a video's frames."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.features import build_features, encode_features, open_features
from vistune.data.features.keys import content_keys, picture_names
from vistune.data.images import open_images
from vistune.data.video import VideoFrames

pytest.importorskip("av", reason="needs PyAV (extra `video`)")


def test_every_frame_has_features_in_memory_and_on_disk(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    from tests.data.test_video import COLORS, make_video

    model, processor = load_model(tiny_checkpoints["llava-linear"], dtype="float32")
    path = make_video(tmp_path / "v.mkv", "ffv1", COLORS)
    video, other = VideoFrames(path, 3), VideoFrames(path, 4)
    photo = tmp_path / "0.png"
    picture(0).save(photo)
    refs = [video, photo, other]
    report = build_features(model, processor, refs, tmp_path / "features", dtype=torch.float32, batch_size=2)
    assert (report.encoded, report.stored) == (8, 8)
    store = open_features(model, processor, tmp_path / "features")
    cache = encode_features(model, processor, refs)
    with torch.no_grad():
        expected = model.encode_images(processor.pixels(open_images([photo, video])))
    for features in (store, cache):
        torch.testing.assert_close(features.read(features.rows_of([photo, video])), expected)
        assert len(features.rows_of([other])) == 4


def test_another_choice_of_frames_is_another_name(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"a video")
    choices = [VideoFrames(path, 3), VideoFrames(path, 4), VideoFrames(path, 5)]
    names = [picture_names(choice) for choice in choices]
    keys = [content_keys(choice) for choice in choices]
    for found in (names, keys):
        flat = [entry for choice in found for entry in choice]
        assert len(flat) == len(set(flat)) == 12
