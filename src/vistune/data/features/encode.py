"""Pictures to pixels to features, with any model's frozen image encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vistune.data.features.spec import final_norm
from vistune.errors import DataError
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from collections.abc import Callable


def feature_function(model: VisionLanguageModel, before_norm: bool) -> Callable[[Tensor], Tensor]:
    """What maps pixels [n, 3, H, W] on any device to features [n, P, D] on the encoder's.

    Args:
        before_norm: stop before :func:`final_norm`.

    Raises:
        DataError: there is no such norm, or it sees only the class token.
    """
    norm = final_norm(model)
    if before_norm and norm is None:
        raise DataError("This image encoder's features come from no final norm; encode them with before_norm=False.")
    # The language model may stay elsewhere: it has no part in this.
    device = next(model.vision.parameters()).device

    def encode(pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            if not before_norm or norm is None:
                return model.encode_images(pixels.to(device))
            return _before(model, pixels.to(device), norm)

    return encode


def _before(model: VisionLanguageModel, pixels: Tensor, norm: nn.Module) -> Tensor:
    inputs: list[Tensor] = []
    handle = norm.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    try:
        model.encode_images(pixels)
    finally:
        handle.remove()
    # transformers' encoders use the norm a second time, on the class token for their pooled output.
    values = inputs[0]
    if values.ndim != 3:
        raise DataError(
            "This image encoder's last norm sees only the class token, its features do not go through it; encode them "
            "with before_norm=False."
        )
    vision = model.config.vision
    return values[:, 1:] if vision.has_cls and not vision.keep_cls else values
