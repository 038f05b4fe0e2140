"""Which precision to compute in."""

from __future__ import annotations

import torch

from vistune.train.config import Precision


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The autocast context of this precision; disabled for float32. Weights and optimiser stay in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=chosen(precision, device) == "bfloat16")


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
