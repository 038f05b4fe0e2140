"""The part of `vistune data build` that encodes pictures."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vistune.data.counting import count_of

if TYPE_CHECKING:
    import torch

    from vistune.data.example import Example, ImageRef
    from vistune.data.processor import Processor
    from vistune.data.transforms import ImageTransform
    from vistune.errors import ImageError
    from vistune.model.vlm import VisionLanguageModel

_TELL_EVERY_S = 10.0
_DTYPES = ("bfloat16", "float16", "float32")


@dataclass(frozen=True)
class FeatureChoice:
    """What to encode pictures with, and where to: as the options of `vistune data build` say.

    Raises:
        InputError: a dtype or transform that there is not.
    """

    model: str
    root: Path
    dtype: str
    transform: str
    device: str
    verify: bool

    def __post_init__(self) -> None:
        from vistune.errors import InputError

        if self.dtype not in _DTYPES:
            raise InputError(f"--features-dtype is {self.dtype!r}; expected {', '.join(_DTYPES)}.")
        if not self.image_transform().deterministic:
            raise InputError(
                f"Features cannot be kept with the transform {self.transform!r}, which gives another picture every "
                "time; use checkpoint, resize, crop or pad, or build without --features."
            )

    def image_transform(self) -> ImageTransform:
        """The transform as an object."""
        from vistune.data.transforms import ImageTransform

        return ImageTransform(self.transform)  # type: ignore[arg-type]

    def torch_dtype(self) -> torch.dtype:
        """The dtype as an object."""
        import torch

        found: torch.dtype = getattr(torch, self.dtype)
        return found


def load_encoder(choice: FeatureChoice) -> tuple[VisionLanguageModel, Processor]:
    """The model with its image encoder where it computes; the language model stays where its file is mapped.

    Raises:
        CheckpointError, InputError: there is no such model or device.
    """
    from vistune.checkpoint import load_model
    from vistune.infer.predictor import choose_device

    place = choose_device(choice.device)
    model, processor = load_model(choice.model)
    model.vision.to(place)
    return model, processor


def write_features(
    examples: Iterable[Example], encoder: tuple[VisionLanguageModel, Processor], choice: FeatureChoice, skip: bool
) -> None:
    """Encode the examples' pictures that have no features yet.

    Args:
        encoder: from :func:`load_encoder`.
        skip: leave out pictures that cannot be read, each with a line on stderr; else they are errors.
    """
    from vistune.data.features import build_features

    report = build_features(
        *encoder,
        (image for example in examples for image in example.images),
        choice.root,
        dtype=choice.torch_dtype(),
        transform=choice.image_transform(),
        verify=choice.verify,
        on_progress=_Teller(),
        on_bad=_left_out if skip else None,
    )
    left_out = f", {report.left_out:,} left out" if report.left_out else ""
    typer.echo(
        f"{report.encoded:,} of {count_of(report.stored, 'picture')} encoded{left_out} in {report.seconds:.0f} s, "
        f"{report.bytes / 1e9:.2f} GB written to {report.folder}"
    )
    error = report.cast_error
    typer.echo(
        f"worst error of storing {choice.dtype}: {error.absolute:.3g} at a value of {error.value:.5g}; within a "
        f"picture {error.relative:.2%} of its largest"
    )


def _left_out(image: ImageRef, error: ImageError) -> None:
    typer.echo(f"left out: {error}", err=True)


class _Teller:
    """Every ten seconds a line on stderr."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, seen: int, encoded: int) -> None:
        if time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            typer.echo(f"{seen:,} pictures seen, {encoded:,} encoded", err=True)
