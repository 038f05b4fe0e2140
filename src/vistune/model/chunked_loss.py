"""Cross-entropy of a large vocabulary without its logits: chunk by chunk, gradients at once.

Logits of N tokens and V words are N x V numbers, their gradient as many again: at 32,000 words more than all else. Here
a chunk's logits live only until the gradients of its hidden states and of the head are known, in the forward, as in
Liger Kernel's fused linear cross-entropy (arXiv 2410.10989, section 3.2). Nothing is computed twice; the gradients
wait for the backward, which only scales them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vistune.model.losses import IGNORE

# Logits of a chunk, in numbers: 64 MB in float32. Smaller ones are slower, larger ones save no more memory.
CHUNK_NUMBERS = 2**24

Head = Callable[[Tensor], Tensor]


def chunked_loss_sum(
    hidden: Tensor, head: nn.Module, targets: Tensor, chunk: int | None = None, smoothing: float = 0.0
) -> Tensor:
    """The sum of :func:`chunked_losses` alone."""
    return chunked_losses(hidden, head, targets, chunk, smoothing)[0]


def chunked_losses(
    hidden: Tensor, head: nn.Module, targets: Tensor, chunk: int | None = None, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Sum of the cross-entropy of ``head(hidden)`` over learned tokens, and that of each, in float32.

    The sum is equal in value and gradients to ``token_loss_sum(head(hidden), targets)``; a second derivative does not
    exist.

    Args:
        hidden: [..., d], what the head reads. targets: [...] with -100 where nothing is learned; there no logits are
            computed.
        head: any module from [n, d] to [n, V]; its parameters that require gradients get them.
        chunk: tokens at a time; None: as many as fit CHUNK_NUMBERS logits, found from the head's ``out_features`` (or
            that of its last Linear).
        smoothing: label smoothing (BLIP-2 generates captions with 0.1).

    Returns:
        the sum, and [n] of the learned tokens in their order, detached
    """
    hidden, targets = hidden.flatten(0, -2), targets.flatten()
    learned = targets != IGNORE
    hidden, targets = hidden[learned], targets[learned]
    if chunk is None:
        chunk = max(1, CHUNK_NUMBERS // _width(head))
    if chunk < 1:
        raise ValueError(f"A chunk of {chunk} tokens cannot be computed; give 1 or more.")
    parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
    if not torch.is_grad_enabled() or not (hidden.requires_grad or parameters):
        parts = [_loss(head(h), t, smoothing) for h, t in zip(hidden.split(chunk), targets.split(chunk), strict=True)]
        each = torch.cat(parts).detach()
        return each.sum(), each
    total, each = _ChunkedLoss.apply(hidden, targets, head, chunk, smoothing, *parameters)
    return total, each


class _ChunkedLoss(torch.autograd.Function):
    """Forward computes loss and gradients; backward multiplies them."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, targets: Tensor, head: Head, chunk: int, smoothing: float, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        each = hidden.new_zeros(len(hidden), dtype=torch.float32)
        hidden_grad = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        # In float32, because a weight's gradient is a sum over all chunks.
        sums = [torch.zeros_like(p, dtype=torch.promote_types(p.dtype, torch.float32)) for p in parameters]
        for start in range(0, len(hidden), chunk):
            part = hidden[start : start + chunk].detach().requires_grad_(hidden_grad is not None)
            losses, grads = _with_gradients(head, part, targets[start : start + chunk], smoothing, parameters)
            each[start : start + chunk] = losses
            if hidden_grad is not None:
                hidden_grad[start : start + chunk] = grads[0]
            for accumulated, grad in zip(sums, grads[-len(sums) :] if sums else (), strict=True):
                if grad is not None:
                    accumulated += grad
        ctx.hidden_grad = hidden_grad
        ctx.parameter_grads = [total.to(p.dtype) for total, p in zip(sums, parameters, strict=True)]
        ctx.mark_non_differentiable(each)
        return each.sum(), each

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        # In place: these are ours alone, and as large as the head.
        hidden = None if ctx.hidden_grad is None else ctx.hidden_grad.mul_(outer)
        grads = [grad.mul_(outer) for grad in ctx.parameter_grads]
        ctx.hidden_grad = ctx.parameter_grads = None
        return (hidden, None, None, None, None, *grads)


def _with_gradients(
    head: Head, hidden: Tensor, targets: Tensor, smoothing: float, parameters: Sequence[Tensor]
) -> tuple[Tensor, tuple[Any, ...]]:
    """The losses of one chunk, and its gradients (or None) by hidden states, if they require one, and parameters."""
    inputs = ([hidden] if hidden.requires_grad else []) + list(parameters)
    with torch.enable_grad():
        losses = _loss(head(hidden), targets, smoothing)
        total = losses.sum()
    return losses.detach(), torch.autograd.grad(total, inputs, allow_unused=True)


def _loss(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(logits.float(), targets, reduction="none", label_smoothing=smoothing)


def _width(head: nn.Module) -> int:
    """Number of logits a token gets."""
    widths = [int(module.out_features) for module in head.modules() if isinstance(module, nn.Linear)]
    return widths[-1] if widths else CHUNK_NUMBERS // 256
