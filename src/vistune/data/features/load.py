"""What features are to those who read them, and how a sample gets those of its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from vistune.data.batch import Encoded

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.mixture import Draw


class Features(Protocol):
    """Features that stand in for pictures: ``FeatureCache`` in memory, ``FeatureStore`` in a folder.

    before_norm: they are those before the encoder's last norm, which can then be trained. pixels: they are prepared
    pixels [n, 3, H, W], for an encoder that is trained itself.
    """

    @property
    def before_norm(self) -> bool: ...  # noqa: D102

    @property
    def pixels(self) -> bool: ...  # noqa: D102

    def __len__(self) -> int: ...

    def rows_of(self, images: Sequence[ImageRef]) -> list[int]:
        """Rows of pictures that were encoded, several for a video's frames."""

    def read(self, rows: Sequence[int]) -> Tensor:
        """Features [n, P, D] of rows, or pixels."""


def load_features(encoded: Encoded, features: Features) -> Encoded:
    """The sample with features (or kept pixels) for its pictures; as it is if it has none.

    Raises:
        DataError: a picture has no features, or they are damaged. ImageError: there is no such file.
    """
    if not encoded.images:
        return encoded
    values = features.read(features.rows_of(encoded.images))
    return replace(encoded, pixel_values=values) if features.pixels else replace(encoded, image_features=values)


class LoadFeatures:
    """Gives a loader's samples features in the place of pixels; for ``Loader(..., load=LoadFeatures(store))``."""

    def __init__(self, features: Features) -> None:
        self._features = features

    def __call__(self, sample: Encoded, draw: Draw | None = None) -> Encoded:
        """The sample with image_features [n, P, D]; errors as of :func:`load_features`."""
        return load_features(sample, self._features)
