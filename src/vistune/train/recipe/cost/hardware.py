"""GPUs to compute memory and time for, as their makers describe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vistune.errors import InputError
from vistune.train.recipe.stage import Stage

GB = 1e9


@dataclass(frozen=True)
class GPU:
    """Memory in bytes; dense FLOP/s in 16 bits, in float32 by tensor cores (TF32), and in plain float32."""

    name: str
    memory: float
    half: float
    tf32: float
    single: float

    def peak(self, stage: Stage) -> float:
        """FLOP/s at the stage's precision; "auto" is bfloat16 on these."""
        if stage.precision != "float32":
            return self.half
        return self.tf32 if stage.tf32 else self.single


GPUS: Mapping[str, GPU] = {
    gpu.name: gpu
    for gpu in (
        GPU("a100-40", 40 * GB, 312e12, 156e12, 19.5e12),
        GPU("a100-80", 80 * GB, 312e12, 156e12, 19.5e12),
        GPU("h100", 80 * GB, 989e12, 494e12, 67e12),
        GPU("h200", 141 * GB, 989e12, 494e12, 67e12),
        GPU("rtx3090", 24 * GB, 71e12, 35.6e12, 35.6e12),
        GPU("rtx4090", 24 * GB, 165e12, 82.6e12, 82.6e12),
    )
}


def gpu_of(name: str) -> GPU:
    """The GPU of this name.

    Raises:
        InputError: there is none.
    """
    if name not in GPUS:
        raise InputError(f"There is no GPU {name!r} in the table; expected one of {', '.join(GPUS)}.")
    return GPUS[name]
