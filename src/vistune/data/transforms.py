"""From RGB pictures to pixels: the checkpoint's own preparation, the papers' others, and random crops for training.

What is deterministic gives the pixels of transformers' image processors on their PIL backend, bit for bit: the same
Pillow calls in the same order, but without the copies between them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from vistune.data.geometry import center_crop, pad_to_square, random_box, resize_short
from vistune.data.permutation import seed_of
from vistune.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

TransformKind = Literal["checkpoint", "resize", "crop", "pad", "random-crop"]
_CACHED = 2**18
KINDS: tuple[TransformKind, ...] = ("checkpoint", "resize", "crop", "pad", "random-crop")


@dataclass(frozen=True)
class ImageTransform:
    """How a picture becomes a square of the encoder's size.

    Args:
        kind: "checkpoint": as its image processor says. "resize": plainly, the aspect not kept (BLIP-2's evaluation).
            "crop": the short side to size, then the middle (CLIP). "pad": to a square with the processor's mean colour
            first (LLaVA-1.5's image_aspect_ratio "pad"). "random-crop": a random part of ``scale`` of the area and of
            aspect 3:4 to 4:3 (BLIP-2's and InstructBLIP's training), another one every epoch.
        scale: smallest and largest share of the area.
        flip: with "random-crop", mirror half of the pictures, of those sources that allow it.
        seed: of the random ones.

    Raises:
        InputError: another kind, or a scale that is none.
    """

    kind: TransformKind = "checkpoint"
    scale: tuple[float, float] = (0.5, 1.0)
    flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"The image transform is {self.kind!r}; expected one of {', '.join(KINDS)}.")
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise InputError(
                f"The scale of random crops is {self.scale}; expected two shares of the area like (0.5, 1)."
            )

    @property
    def deterministic(self) -> bool:
        """Whether a picture always gives the same pixels, so that its features may be cached."""
        return self.kind != "random-crop"


@dataclass(frozen=True)
class RandomKey:
    """What a random crop depends on besides the seed: a sample, its epoch, and whether it may be mirrored."""

    sample: str
    epoch: int = 0
    mirror_safe: bool = False


class PixelMaker:
    """Pictures to pixels for one encoder; can be sent to another process.

    Args:
        image_processor: transformers', on the PIL backend. transform: what to do instead of what it says.

    Raises:
        InputError: the processor works in a way of its own, which the transform cannot replace.
    """

    def __init__(self, image_processor: Any, transform: ImageTransform | None = None) -> None:
        self.transform = transform or ImageTransform()
        self._processor = image_processor
        self._steps = steps_of(image_processor)
        if self._steps is None and self.transform.kind != "checkpoint":
            raise InputError(
                f"{type(image_processor).__name__} prepares pictures in a way of its own, so the image transform "
                f"{self.transform.kind!r} is not possible with it; use 'checkpoint'."
            )
        self._levels = None if self._steps is None else _levels(image_processor)
        self._scale = None if self._levels is None else _scale(image_processor, self._levels)

    def __call__(self, images: Sequence[Image], key: RandomKey | None = None) -> Tensor:
        """RGB pictures -> [n, 3, H, W] float32; ``key`` is needed by random transforms.

        Raises:
            InputError: a random transform without a key.
        """
        return self.finish(self.begin(images, key))

    def begin(self, images: Sequence[Image], key: RandomKey | None = None) -> Tensor:
        """All of it that depends on the picture: [n, 3, H, W] uint8, a quarter of the bytes to send to the process that
        trains; float32 and finished where the processor works in a way of its own.
        """
        steps = self._steps
        if steps is None:
            tensor: Tensor = self._processor(images=list(images), return_tensors="pt")["pixel_values"]
            return tensor
        if self.transform.kind == "random-crop":
            squares = [self._random_crop(image, steps, key, number) for number, image in enumerate(images)]
        else:
            make = steps.functions()[self.transform.kind]
            squares = [make(image) for image in images]
        return torch.from_numpy(np.stack([np.asarray(square).transpose(2, 0, 1) for square in squares]))

    def finish(self, pixels: Tensor) -> Tensor:
        """Rescale and normalise what `begin` gave: [n, 3, H, W] uint8 -> float32."""
        if self._levels is None or pixels.dtype != torch.uint8:
            return pixels
        finished = _empty(pixels)
        # As many pictures at a time as stay in the processor's cache between the operations.
        step = max(1, _CACHED // max(1, pixels[0].numel()))
        for source, target in zip(pixels.split(step), finished.split(step), strict=True):
            if self._scale is not None:
                divisor, mean, std = self._scale
                target.copy_(source).div_(divisor).sub_(mean).div_(std)
                continue
            for channel in range(3):
                # Levels of 8 bits are all in range; "clip" spares the check, and with it a copy.
                levels, places = self._levels[channel], source[:, channel].numpy()
                np.take(levels, places, out=target[:, channel].numpy(), mode="clip")
        return finished

    def _random_crop(self, image: Image, steps: Steps, key: RandomKey | None, number: int) -> Image:
        from PIL.Image import Transpose

        if key is None:
            raise InputError("A random crop depends on sample and epoch; pass a RandomKey.")
        draw = random.Random(seed_of("crop", self.transform.seed, key.sample, key.epoch, number))
        box = random_box(image.size, self.transform.scale, draw)
        part = image.crop(box).resize(steps.square, steps.resample)
        mirrored = self.transform.flip and key.mirror_safe and draw.random() < 0.5
        return part.transpose(Transpose.FLIP_LEFT_RIGHT) if mirrored else part


@dataclass(frozen=True)
class Steps:
    """What an image processor does before it rescales.

    Args:
        square: (width, height) that comes out. resample: Pillow's filter. background: the mean as a colour.
        pad: to a square first. short: the short side is scaled to it, then the middle cut out; None: scaled plainly.
    """

    square: tuple[int, int]
    resample: int
    background: tuple[int, int, int]
    pad: bool
    short: int | None

    def functions(self) -> dict[str, Callable[[Image], Image]]:
        """The deterministic transforms by kind."""
        return {
            "checkpoint": self._own,
            "resize": lambda image: image.resize(self.square, self.resample),
            "crop": lambda image: center_crop(resize_short(image, max(self.square), self.resample), self.square),
            "pad": lambda image: pad_to_square(image, self.background).resize(self.square, self.resample),
        }

    def _own(self, image: Image) -> Image:
        if self.pad:
            image = pad_to_square(image, self.background)
        if self.short is None:
            return image.resize(self.square, self.resample)
        return center_crop(resize_short(image, self.short, self.resample), self.square)


def steps_of(processor: Any) -> Steps | None:
    """The steps of a processor that works as transformers' PIL backend does; None for any other."""
    from transformers.image_processing_backends import PilBackend
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    method = getattr(type(processor), "_preprocess", None)
    padded = method is LlavaImageProcessorPil._preprocess
    if not (padded or method is PilBackend._preprocess) or not processor.do_resize:
        return None
    wants_padding = bool(getattr(processor, "do_pad", False))
    size, crop = processor.size, processor.crop_size if getattr(processor, "do_center_crop", False) else None
    plain = (size.width, size.height) if size.height and size.width else None
    square = plain if crop is None else (crop.width, crop.height)
    short = size.shortest_edge if plain is None and not size.longest_edge else None
    if square is None or (plain is None) == (short is None) or (wants_padding and not padded):
        return None
    if (short is not None and short < max(square)) or (plain is not None and plain != square):
        return None
    red, green, blue = (int(255 * level) for level in (processor.image_mean or (0, 0, 0)))
    return Steps(square, int(processor.resample), (red, green, blue), wants_padding, short)


def _empty(like: Tensor) -> Tensor:
    """Memory for float32 of the same shape; numpy asks the system for large pages, a quarter of the time to fill."""
    if like.is_pinned():
        return torch.empty(like.shape, dtype=torch.float32, pin_memory=True)
    return torch.from_numpy(np.empty(like.shape, dtype=np.float32))


def _levels(processor: Any) -> np.ndarray:
    """What each of the 256 levels of each channel becomes, [3, 256] float32: the processor says it itself."""
    from PIL import Image as pil

    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    left_out = {"do_resize": False, "do_center_crop": False, "do_pad": False}
    pixels = processor(images=[pil.fromarray(ramp)], return_tensors="np", **left_out)["pixel_values"]
    return np.ascontiguousarray(pixels[0, :, 0], dtype=np.float32)


def _scale(processor: Any, levels: np.ndarray) -> tuple[float, Tensor, Tensor] | None:
    """Divisor, mean and deviation [3, 1, 1] with which plain arithmetic gives exactly ``levels``; None: it does not."""
    divisor = 1 / processor.rescale_factor if processor.do_rescale else 1.0
    wanted = (processor.image_mean, processor.image_std) if processor.do_normalize else (0.0, 1.0)
    mean, std = (torch.tensor(value, dtype=torch.float32).expand(3).reshape(3, 1, 1) for value in wanted)
    ramp = torch.arange(256, dtype=torch.float32).expand(3, 1, 256)
    same = torch.equal(((ramp / divisor - mean) / std)[:, 0], torch.from_numpy(levels))
    return (divisor, mean, std) if same else None
