"""The feature cache of a stage: made where something is missing, opened, and put in the place of pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vistune.data.batch_maker import LoadImages
from vistune.data.features import LoadFeatures, build_features, load_features, open_features
from vistune.data.images import open_images
from vistune.data.transforms import ImageTransform, PixelMaker
from vistune.train.interrupt import Interrupted

if TYPE_CHECKING:
    from torch import nn

    from vistune.data.batch import Encoded
    from vistune.data.batch_maker import Load
    from vistune.data.example import ImageRef
    from vistune.data.features import FeatureStore
    from vistune.errors import ImageError
    from vistune.train.parallel.processes import Processes
    from vistune.train.recipe.stage import Stage
    from vistune.train.run.data import StageData

_TELL_EVERY_S = 10.0


def image_transform(stage: Stage, seed: int) -> ImageTransform:
    """The stage's transform of pictures."""
    chosen = stage.transform
    return ImageTransform(chosen.kind, chosen.scale, chosen.flip, seed)


def make_features(
    model: Any,
    processor: Any,
    images: Iterable[ImageRef],
    stage: Stage,
    seed: int,
    *,
    processes: Processes,
    skip: bool,
    say: Callable[[str], None],
    should_stop: Callable[[], bool],
) -> FeatureStore | None:
    """The features of the pictures, from the stage's folder; those that are missing are encoded now, by all processes.

    Args:
        model: with its image encoder, in the dtype that it computes in. processor: with its image processor.
        skip: leave out pictures that cannot be read; their samples are then bad rows.
        should_stop: asked between pictures.

    Returns:
        None where the stage has no cache

    Raises:
        DataError: a transform that is drawn at random, features that are damaged. ImageError: a picture that cannot be
            read. StorageError: a full disk. Interrupted: a stop was asked for. What was encoded until then is kept.
    """
    if stage.features is None:
        return None
    root = Path(stage.features).expanduser()
    transform = image_transform(stage, seed)
    model.vision.to(processes.device)
    report = build_features(
        model,
        processor,
        images,
        root,
        dtype=torch.bfloat16,
        transform=transform,
        on_progress=_Teller(say if processes.is_main else None, should_stop),
        on_bad=_left_out(say) if skip else None,
    )
    processes.barrier()
    if report.encoded and processes.is_main:
        say(
            f"features: {report.encoded:,} of {report.stored:,} pictures encoded in {report.seconds:.0f} s, kept in "
            f"{report.folder}"
        )
    return open_features(model, processor, root, dtype=torch.bfloat16, transform=transform)


def loading(processor: Any, stage: Stage, data: StageData, seed: int, features: FeatureStore | None) -> Load:
    """What fills in the pictures of samples: features from the cache, or pixels."""
    if features is not None:
        return LoadFeatures(features)
    return LoadImages(processor, image_transform(stage, seed), data.mirror_safe)


def evaluation_loading(
    processor: Any, stage: Stage, seed: int, features: FeatureStore | None
) -> Callable[[Encoded], Encoded]:
    """The same while the model is measured, without chance: where training cuts pictures at random, they are resized
    whole (BLIP-2's evaluation).
    """
    if features is not None:
        return partial(load_features, features=features)
    transform = image_transform(stage, seed)
    maker = PixelMaker(
        processor.image_processor, transform if transform.deterministic else ImageTransform("resize", seed=seed)
    )

    def load(sample: Encoded) -> Encoded:
        if not sample.images:
            return sample
        return replace(sample, pixel_values=maker(open_images(sample.images)))

    return load


def after_norm(
    load: Callable[[Encoded], Encoded], norm: nn.Module, device: torch.device
) -> Callable[[Encoded], Encoded]:
    """The same with features that were kept before the encoder's last norm put through it, as it is now."""

    def loaded(sample: Encoded) -> Encoded:
        filled = load(sample)
        if filled.image_features is None:
            return filled
        with torch.no_grad():
            return replace(filled, image_features=norm(filled.image_features.to(device).float()))

    return loaded


class _Teller:
    """Every ten seconds a line; and out of it where a stop is asked for."""

    def __init__(self, say: Callable[[str], None] | None, should_stop: Callable[[], bool]) -> None:
        self._say = say
        self._should_stop = should_stop
        self._told = time.monotonic()

    def __call__(self, seen: int, encoded: int) -> None:
        if self._should_stop():
            raise Interrupted(f"stopped while pictures were encoded, {encoded:,} done")
        if self._say is not None and time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            self._say(f"features: {seen:,} pictures seen, {encoded:,} encoded")


def _left_out(say: Callable[[str], None]) -> Callable[[ImageRef, ImageError], None]:
    def tell(image: ImageRef, error: ImageError) -> None:
        say(f"features: left out: {error}")

    return tell
