"""Copies in ordinary memory, from which a thread writes while training changes the originals."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Staging:
    """Copies tensors into memory that is kept for the next time: new memory costs several times the copy itself."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def copy(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copies on the processor, sharded as the originals are. Those of the last call are overwritten."""
        self._kept = {name: self._filled(name, tensor) for name, tensor in tensors.items()}
        if any(tensor.is_cuda for tensor in tensors.values()):
            torch.cuda.synchronize()
        return dict(self._kept)

    def _filled(self, name: str, tensor: Tensor) -> Tensor:
        kept = self._kept.get(name)
        if kept is None or kept.shape != tensor.shape or kept.dtype != tensor.dtype:
            return tensor.to("cpu", copy=True)
        _local(kept).copy_(_local(tensor), non_blocking=True)
        return kept


def _local(tensor: Tensor) -> Tensor:
    """This process's part of a sharded tensor."""
    from torch.distributed.tensor import DTensor

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
