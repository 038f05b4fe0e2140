"""The cache of image features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.encoded_set import EncodedSet
from vistune.data.example import Example
from vistune.data.features import encode_features, final_norm
from vistune.errors import DataError


def test_features_are_the_encoder_s_and_equal_pictures_share_a_row(tiny_checkpoints: dict[str, Path]) -> None:
    model, processor = load_model(tiny_checkpoints["instructblip-llama"], dtype="float32")
    images = [picture(0), picture(1), picture(0)]
    done: list[int] = []
    cache = encode_features(model, processor, images, batch_size=1, on_progress=done.append)
    assert len(cache) == 2
    assert done == [1, 2]
    assert cache.rows_of(images) == [0, 1, 0]
    with pytest.raises(DataError, match="no features of an image in memory among the 2"):
        cache.rows_of([picture(2)])
    with torch.no_grad():
        expected = model.encode_images(processor.pixels(images[:2]))
    torch.testing.assert_close(cache.values, expected)


def test_features_from_before_the_norm_go_through_it(tiny_checkpoints: dict[str, Path]) -> None:
    model, processor = load_model(tiny_checkpoints["instructblip-llama"], dtype="float32")
    raw = encode_features(model, processor, [picture(0)], before_norm=True)
    norm = final_norm(model)
    assert norm is not None
    with torch.no_grad():
        torch.testing.assert_close(norm(raw.values), model.encode_images(processor.pixels(picture(0))))
    llava, its_processor = load_model(tiny_checkpoints["llava-linear"], dtype="float32")
    assert final_norm(llava) is None
    with pytest.raises(DataError, match="no final norm"):
        encode_features(llava, its_processor, [picture(0)], before_norm=True)
    with pytest.raises(DataError, match="no pictures"):
        encode_features(llava, its_processor, [])


def test_encoded_sets_use_the_cache_or_no_pictures_at_all(tiny_checkpoints: dict[str, Path]) -> None:
    model, processor = load_model(tiny_checkpoints["llava-linear"], dtype="float32")
    rows = [Example("1", "t", "What is it?", "red", (picture(0),)), Example("2", "t", "No picture?", "yes")]
    cache = encode_features(model, processor, [picture(0)])
    seeing = EncodedSet("t", rows, processor, cache)
    assert seeing[0].image_features is not None
    assert seeing[0].image_features.shape[0] == 1
    assert seeing[0].input_ids.count(processor.image_token_id) == model.num_image_tokens
    assert seeing[1].num_images == 0
    blind = EncodedSet("t", rows, processor, cache, blind=True)
    assert blind[0].num_images == 0
    assert processor.image_token_id not in blind[0].input_ids
    pixels = EncodedSet("t", rows, processor)
    assert pixels[0].pixel_values is not None
    assert EncodedSet("t", rows, processor, cache, with_targets=False)[0].labels is None
    assert [sample.id for sample in seeing.all()] == ["1", "2"]
