"""Which precision to compute in, and float16's loss scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import nn

Precision = Literal["auto", "float32", "bfloat16", "float16"]
MakeContext = Callable[[], AbstractContextManager[Any]]

_FIRST_SCALE = 2.0**16
_GROW_AFTER = 2000


def chosen(precision: Precision, device: torch.device) -> str:
    """What "auto" comes to: bfloat16 where the hardware multiplies it, as emulation is slower than float32."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        fast = False
    return "bfloat16" if fast else "float32"


def autocast(precision: Precision, device: torch.device) -> MakeContext:
    """What makes the context of every forward. Weights that train and the optimiser stay in float32."""
    name = chosen(precision, device)
    if name == "float32":
        return nullcontext
    dtype = getattr(torch, name)
    return lambda: torch.autocast(device.type, dtype=dtype)


def frozen_dtype(frozen: Precision, precision: Precision, device: torch.device) -> torch.dtype:
    """What frozen weights are stored in; "auto" is what is computed in."""
    dtype: torch.dtype = getattr(torch, chosen(precision if frozen == "auto" else frozen, device))
    return dtype


def cast_frozen(model: nn.Module, dtype: torch.dtype) -> None:
    """Store frozen matrices in ``dtype``. Vectors (norms, biases) stay as they are, and so does what transformers keeps
    in float32 under float16 (T5's ``wo``)."""
    kept = _kept_in_float32(model) if dtype == torch.float16 else set()
    for name, parameter in model.named_parameters():
        plain = parameter.is_floating_point() and parameter.ndim > 1
        if plain and not parameter.requires_grad and not kept & set(name.split(".")):
            parameter.data = parameter.data.to(dtype)


def allow_tf32(allowed: bool) -> None:
    """Whether float32 products may use tensor cores, which read 10 bits of the mantissa."""
    wanted = "high" if allowed else "highest"
    if torch.get_float32_matmul_precision() != wanted:
        torch.set_float32_matmul_precision(wanted)


def _kept_in_float32(model: nn.Module) -> set[str]:
    found: set[str] = set()
    for module in model.modules():
        for name in ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict"):
            found |= set(getattr(module, name, None) or ())
    return found


class LossScale:
    """Float16 gradients are small: the loss is scaled up, and the scale halved at a step whose gradients overflow.

    After ``_GROW_AFTER`` good steps it is doubled (as torch.amp.GradScaler does, but without asking the GPU twice).

    Args:
        enabled: False: the scale is 1 and stays so.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.scale = _FIRST_SCALE if enabled else 1.0
        self._good = 0

    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scale gradients back."""
        if self.scale != 1.0:
            grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if grads:
                torch._foreach_mul_(grads, 1.0 / self.scale)

    def overflowed(self) -> bool:
        """After gradients that are not finite: whether a smaller scale may help; then the step is left out."""
        if not self.enabled or self.scale <= 1.0:
            return False
        self.scale, self._good = self.scale / 2, 0
        return True

    def good(self) -> None:
        """After a step that was made."""
        self._good += 1
        if self.enabled and self._good % _GROW_AFTER == 0:
            self.scale *= 2

    def state_dict(self) -> dict[str, float]:
        """As JSON can hold it."""
        return {"scale": self.scale, "good": self._good}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from what `state_dict` gave."""
        if self.enabled:
            self.scale, self._good = float(state["scale"]), int(state["good"])
