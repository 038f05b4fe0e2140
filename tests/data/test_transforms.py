"""Pixels beside transformers' own, and random crops that depend on what they should."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from vistune.data.geometry import random_box
from vistune.data.transforms import ImageTransform, PixelMaker, RandomKey, steps_of
from vistune.errors import InputError

SQUARE = {"height": 48, "width": 48}
CROP = {"size": {"shortest_edge": 48}, "crop_size": SQUARE}
SIZES = [(64, 48), (48, 64), (49, 63), (200, 31), (48, 48), (20, 33), (97, 97)]


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values, "RGB")


PROCESSORS = {
    "blip": BlipImageProcessorPil(size=SQUARE),
    "clip": CLIPImageProcessorPil(**CROP),
    "clip, crop smaller": CLIPImageProcessorPil(size={"shortest_edge": 55}, crop_size=SQUARE),
    "llava, padded": LlavaImageProcessorPil(**CROP, do_pad=True),
    "llava": LlavaImageProcessorPil(**CROP),
    "siglip": SiglipImageProcessorPil(size=SQUARE),
    "bilinear, not normalised": BlipImageProcessorPil(size=SQUARE, resample=2, do_normalize=False),
    "not rescaled": BlipImageProcessorPil(size=SQUARE, do_rescale=False, do_normalize=False),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_checkpoints_own_preparation_is_transformers_bit_for_bit(name: str) -> None:
    processor = PROCESSORS[name]
    assert steps_of(processor) is not None
    make = PixelMaker(processor)
    images = [noise(size, seed) for seed, size in enumerate(SIZES)]
    expected = processor(images=images, return_tensors="pt")["pixel_values"]
    assert torch.equal(make(images), expected.float())
    assert torch.equal(pickle.loads(pickle.dumps(make))(images), make(images))


@pytest.mark.parametrize(("kind", "reference"), [("resize", "blip"), ("crop", "clip"), ("pad", "llava, padded")])
@pytest.mark.parametrize("own", ["blip", "clip"])
def test_transforms_of_the_papers_are_those_of_their_processors(kind: Any, reference: str, own: str) -> None:
    make = PixelMaker(PROCESSORS[own], ImageTransform(kind))
    images = [noise(size, seed) for seed, size in enumerate(SIZES)]
    assert torch.equal(make(images), PROCESSORS[reference](images=images, return_tensors="pt")["pixel_values"])
    assert ImageTransform(kind).deterministic


@pytest.mark.parametrize(
    "processor",
    [
        CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size=SQUARE),
        BlipImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 60}),
        LlavaNextImageProcessorPil(**CROP),
    ],
)
def test_other_processors_do_it_themselves(processor: Any) -> None:
    assert steps_of(processor) is None
    image = noise((60, 60))
    expected = processor(images=[image], return_tensors="pt")["pixel_values"]
    assert torch.equal(PixelMaker(processor)([image]), expected)
    with pytest.raises(InputError, match="'pad' is not possible"):
        PixelMaker(processor, ImageTransform("pad"))


def test_random_crops_depend_on_seed_epoch_and_sample_only() -> None:
    image = noise((64, 48))
    crop = PixelMaker(PROCESSORS["clip"], ImageTransform("random-crop"))
    first = crop([image], RandomKey("a", 3))
    assert first.shape == (1, 3, 48, 48)
    assert torch.equal(crop([image], RandomKey("a", 3)), first)
    others = [
        crop([image], RandomKey("a", 4)),
        crop([image], RandomKey("b", 3)),
        PixelMaker(PROCESSORS["clip"], ImageTransform("random-crop", seed=1))([image], RandomKey("a", 3)),
    ]
    assert not any(torch.equal(first, other) for other in others)
    two = crop([image, image], RandomKey("a", 3))
    assert torch.equal(two[0], first[0])
    assert not torch.equal(two[0], two[1])
    assert not ImageTransform("random-crop").deterministic
    with pytest.raises(InputError, match="pass a RandomKey"):
        crop([image])


def test_only_sources_that_allow_it_are_mirrored() -> None:
    """The left half is dark: whatever the crop, a mirrored picture is darker on its right."""
    values = np.zeros((48, 64, 3), np.uint8)
    values[:, 32:] = 255
    image = Image.fromarray(values)
    crop = PixelMaker(PROCESSORS["clip"], ImageTransform("random-crop", scale=(0.9, 1.0)))

    def mirrored(safe: bool, maker: PixelMaker = crop) -> list[bool]:
        pixels = [maker([image], RandomKey(str(n), 0, safe))[0] for n in range(200)]
        return [bool(p[..., :24].mean() > p[..., 24:].mean()) for p in pixels]

    assert sum(mirrored(False)) == 0
    assert 70 < sum(mirrored(True)) < 130
    still = PixelMaker(PROCESSORS["clip"], ImageTransform("random-crop", scale=(0.9, 1.0), flip=False))
    assert sum(mirrored(True, still)) == 0


def test_boxes_are_of_the_asked_area_and_aspect() -> None:
    draw = random.Random(0)
    for _ in range(300):
        left, top, right, bottom = random_box((640, 480), (0.5, 1.0), draw)
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 480
        assert 0.49 < (right - left) * (bottom - top) / (640 * 480) <= 1
        assert 0.74 < (right - left) / (bottom - top) < 1.34
    # Nothing of that aspect fits into a strip: its middle, as wide or high as the aspect allows.
    assert random_box((1000, 10), (0.9, 1.0), draw) == (493, 0, 506, 10)
    assert random_box((10, 1000), (0.9, 1.0), draw) == (0, 493, 10, 506)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(InputError, match="image transform is 'zoom'; expected one of checkpoint, resize"):
        ImageTransform("zoom")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"scale of random crops is \(0, 2\)"):
        ImageTransform("random-crop", scale=(0, 2))


@pytest.mark.parametrize("mean", [[0.48145466, 0.4578275, 0.40821073], [0.5, 0.5, 0.5]])
@pytest.mark.parametrize("plain", [True, False])
def test_pixels_are_finished_as_the_processor_does(plain: bool, mean: list[float]) -> None:
    """By plain arithmetic where that gives the processor's values to the bit, else by looking them up."""
    processor = CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size=8, image_mean=mean)
    maker = PixelMaker(processor)
    if not plain:
        maker._scale = None
    assert (maker._scale is not None) == plain
    levels = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 3, 16, 16).repeat(5, 1, 1, 1)
    picture = Image.fromarray(levels[0].permute(1, 2, 0).numpy())
    theirs = processor(images=[picture], do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"]
    assert maker.finish(levels).equal(theirs.repeat(5, 1, 1, 1))


def test_other_scales_are_looked_up() -> None:
    maker = PixelMaker(CLIPImageProcessorPil(size={"shortest_edge": 8}, crop_size=8, rescale_factor=1 / 200.3))
    picture = Image.effect_noise((8, 8), 80).convert("RGB")
    whole = maker._processor(images=[picture], return_tensors="pt")["pixel_values"]
    assert maker([picture]).equal(whole)
