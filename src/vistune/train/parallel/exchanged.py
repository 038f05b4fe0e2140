"""What goes between processes, with its gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def buckets(parameters: list[nn.Parameter], limit: int = 2**26) -> Iterator[list[nn.Parameter]]:
    """Parameters of one dtype together, of about ``limit`` bytes, so that flat copies stay small."""
    by_dtype: dict[torch.dtype, list[nn.Parameter]] = {}
    for parameter in parameters:
        by_dtype.setdefault(parameter.dtype, []).append(parameter)
    for some in by_dtype.values():
        bucket: list[nn.Parameter] = []
        for parameter in some:
            if bucket and sum(p.nbytes for p in bucket) + parameter.nbytes > limit:
                yield bucket
                bucket = []
            bucket.append(parameter)
        yield bucket


class Gather(torch.autograd.Function):
    """all_gather forward; backward the sum over the processes of the gradients of own rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: dist.ProcessGroup) -> Tensor:
        """[b, ...] -> [size * b, ...]"""
        ctx.group, ctx.rows = group, len(rows)
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, rows.contiguous(), group=group)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """[size * b, ...] -> [b, ...]"""
        total = grad.contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        start = dist.get_rank(ctx.group) * ctx.rows
        return total[start : start + ctx.rows], None
