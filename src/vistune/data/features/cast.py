"""Features to the dtype they are stored in: nothing that is not finite or overflows, and the worst error known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vistune.errors import DataError


@dataclass(frozen=True)
class CastError:
    """What storing in fewer bits cost.

    absolute: largest difference of a number; value: the number it happened to. relative: largest difference within a
    picture, divided by the picture's largest magnitude.
    """

    absolute: float = 0.0
    value: float = 0.0
    relative: float = 0.0

    def worst(self, other: CastError) -> CastError:
        """The worse of two, each figure for itself."""
        larger = self if self.absolute >= other.absolute else other
        return CastError(larger.absolute, larger.value, max(self.relative, other.relative))


def cast(values: Tensor, dtype: torch.dtype, names: Sequence[str]) -> tuple[Tensor, CastError]:
    """Features [n, P, D] in another dtype, on the CPU, and the worst error.

    Args:
        names: of the n pictures, for messages.

    Raises:
        DataError: a number is not finite, or no longer is in ``dtype``; names picture and number.
    """
    _check_finite(values, names)
    stored = values.to(dtype)
    if not bool(torch.isfinite(stored).all()):
        row, token, channel = _first(~torch.isfinite(stored))
        raise DataError(
            f"A feature of {names[row]} is {float(values[row, token, channel]):.6g} (token {token}, channel "
            f"{channel}), which does not fit {_name(dtype)} (at most {torch.finfo(dtype).max:.6g}); store bfloat16."
        )
    if values.dtype == dtype:
        return stored.cpu(), CastError()
    exact = values.float()
    error = (stored.float() - exact).abs().flatten(1)
    by_picture, place = error.max(1)
    largest = exact.abs().flatten(1).amax(1).clamp_min(torch.finfo(torch.float32).tiny)
    row = int(by_picture.argmax())
    value = float(exact[row].flatten()[place[row]])
    return stored.cpu(), CastError(float(by_picture[row]), value, float((by_picture / largest).max()))


def _check_finite(values: Tensor, names: Sequence[str]) -> None:
    finite = torch.isfinite(values)
    if bool(finite.all()):
        return
    row, token, channel = _first(~finite)
    raise DataError(
        f"The image encoder gives {float(values[row, token, channel])} for {names[row]} (token {token}, channel "
        f"{channel}); expected finite features: look at the picture, or load the encoder in bfloat16 or float32."
    )


def _first(mask: Tensor) -> tuple[int, int, int]:
    row, token, channel = mask.nonzero()[0].tolist()
    return int(row), int(token), int(channel)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
