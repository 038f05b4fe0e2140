"""Features in memory, for sets of a few ten thousand small pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.data.features.cast import cast
from vistune.data.features.encode import feature_function
from vistune.data.features.keys import describe, picture_names
from vistune.data.images import open_images, pixel_values
from vistune.errors import DataError
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.processor import Processor


@dataclass(frozen=True)
class FeatureCache:
    """Features by picture.

    Args:
        values: [n, P, D], or prepared pixels [n, 3, H, W].
        rows: picture's name (vistune.data.features.keys) -> row of ``values``.
        before_norm, pixels: see ``Features``.
    """

    values: Tensor
    rows: dict[str, int]
    before_norm: bool = False
    pixels: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def rows_of(self, images: Sequence[ImageRef]) -> list[int]:
        """Rows of pictures that were encoded, several for a video's frames.

        Raises:
            DataError: one of them was not. ImageError: there is no such file.
        """
        return [self._row(image, name) for image in images for name in picture_names(image)]

    def _row(self, image: ImageRef, name: str) -> int:
        row = self.rows.get(name)
        if row is None:
            raise DataError(
                f"There are no features of {describe(image)} among the {len(self):,} that were encoded: its file was "
                "changed or it was left out; encode the pictures again."
            )
        return row

    def read(self, rows: Sequence[int]) -> Tensor:
        """Features [n, P, D] of rows, or pixels."""
        return self.values[list(rows)]


def encode_features(
    model: VisionLanguageModel,
    processor: Processor,
    images: Iterable[ImageRef],
    *,
    before_norm: bool = False,
    dtype: torch.dtype = torch.float32,
    batch_size: int = 64,
    on_progress: Callable[[int], None] | None = None,
) -> FeatureCache:
    """Encode pictures once each; equal ones share a row.

    Args:
        before_norm: keep what goes into ``final_norm`` instead of what comes out of it.
        dtype: of the stored features; half precision halves the memory.
        on_progress: called with the number of pictures done so far.

    Raises:
        ImageError: a picture cannot be read. DataError: the encoder has no final norm to stop before, there are no
            pictures, or a feature is not finite or does not fit ``dtype``.
    """
    encode = feature_function(model, before_norm)

    def features(pixels: Tensor, names: list[str]) -> Tensor:
        return cast(encode(pixels), dtype, names)[0]

    values, rows = _collect(processor, images, features, batch_size, on_progress)
    return FeatureCache(values, rows, before_norm)


def prepare_pixels(
    processor: Processor, images: Iterable[ImageRef], *, on_progress: Callable[[int], None] | None = None
) -> FeatureCache:
    """Pictures opened and scaled once each, in half precision, for an encoder that is trained itself.

    Raises:
        ImageError, DataError: as in :func:`encode_features`.
    """
    values, rows = _collect(processor, images, lambda pixels, names: pixels.half(), 64, on_progress)
    return FeatureCache(values, rows, pixels=True)


def _collect(
    processor: Processor,
    images: Iterable[ImageRef],
    encode: Callable[[Tensor, list[str]], Tensor],
    batch_size: int,
    on_progress: Callable[[int], None] | None,
) -> tuple[Tensor, dict[str, int]]:
    """Values of distinct pictures [n, ...] and the row of each."""
    rows: dict[str, int] = {}
    parts: list[Tensor] = []
    unseen = _distinct(images, rows)
    while batch := list(islice(unseen, batch_size)):
        pixels = pixel_values(open_images(batch), processor.image_processor)
        parts.append(encode(pixels, _described(batch, len(pixels))))
        if on_progress is not None:
            on_progress(len(rows))
    if not parts:
        raise DataError("There are no pictures to encode; give examples that have images.")
    return torch.cat(parts).clone(), rows


def _described(batch: list[ImageRef], count: int) -> list[str]:
    names = [describe(ref) for ref in batch for _ in range(getattr(ref, "num_frames", 1))]
    return names if len(names) == count else [f"picture {number + 1} of {count}" for number in range(count)]


def _distinct(images: Iterable[ImageRef], rows: dict[str, int]) -> Iterator[ImageRef]:
    for image in images:
        names = picture_names(image)
        if names[0] not in rows:
            first = len(rows)
            rows.update((name, first + place) for place, name in enumerate(names))
            yield image
