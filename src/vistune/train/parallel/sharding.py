"""Sharding a model with FSDP2 (torch.distributed.fsdp.fully_shard)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.utils._pytree import register_dataclass

from vistune.errors import RecipeError
from vistune.model.losses import LossPart
from vistune.model.qformer import QFormerLayer
from vistune.model.quantise import is_quantised
from vistune.model.stage1 import Reading, Stage1Model
from vistune.model.vlm import VisionLanguageModel, VLMOutput
from vistune.train.parallel.blank import BlankImages
from vistune.train.parallel.processes import Processes

# What a stage calls of a Stage1Model besides its forward.
_STAGE1_METHODS = ("encode_images", "read", "matching", "captioning")


def shard(module: nn.Module, group: dist.ProcessGroup, processes: Processes, compute: torch.dtype) -> FSDPModule:
    """Shard every transformer layer by itself, frozen ones too, and everything else together.

    Args:
        group: of all processes. compute: dtype of layers in forward and backward; what is not in a layer (embeddings,
            norms, heads) is put together in its own dtype.

    Raises:
        RecipeError: weights in few bits, which cannot be cut in slices, or an old torch.
    """
    if not hasattr(FSDPModule, "set_reduce_scatter_unused_params"):
        raise RecipeError(
            f"parallel=fsdp needs torch 2.13, this is {torch.__version__}; update it, or use parallel=ddp."
        )
    if is_quantised(module):
        raise RecipeError(
            "Weights in few bits (quantise) cannot be sharded; use parallel=ddp, where each process has all of them."
        )
    _register_outputs()
    mesh = DeviceMesh.from_group(group, processes.device.type)
    lower = compute != torch.float32
    layers = MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=torch.float32) if lower else MixedPrecisionPolicy()
    for layer in transformer_layers(module):
        fully_shard(layer, mesh=mesh, mp_policy=layers)
    policy = MixedPrecisionPolicy(cast_forward_inputs=False)
    root = fully_shard(module, mesh=mesh, mp_policy=policy, ignored_params=_kept(module))
    for part in _sharded(root):
        # Losses are divided by global counts already: gradients are added, not averaged.
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
    # Which weights a micro-batch uses may differ between processes (the Q-Former's text layers); what is sent must not.
    root.set_reduce_scatter_unused_params(True)
    if isinstance(module, Stage1Model):
        for name in _STAGE1_METHODS:
            register_fsdp_forward_method(module, name)
    if isinstance(module, VisionLanguageModel):
        module.register_forward_pre_hook(BlankImages(module, processes), prepend=True, with_kwargs=True)
    # Whatever runs first, such as an evaluation of one part, the whole model is the root.
    root._get_fsdp_state()._lazy_init()
    return root


@contextmanager
def whole(root: FSDPModule) -> Iterator[None]:
    """All weights on every process inside; calls of any part then need nobody else."""
    root.set_reshard_after_forward(False)
    for part in _sharded(root):
        part.unshard()
    try:
        yield
    finally:
        root.set_reshard_after_forward(True)
        # The root's weights are needed again at once, at the beginning of the backward pass.
        root.set_reshard_after_forward(False, recurse=False)
        for part in _sharded(root):
            part.reshard()


def transformer_layers(module: nn.Module) -> list[nn.Module]:
    """What repeats in image encoder, Q-Former and language model, as transformers marks it."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [layer for layer in module.modules() if isinstance(layer, GradientCheckpointingLayer | QFormerLayer)]


def _kept(module: nn.Module) -> set[nn.Parameter]:
    """What every process has whole, as DDP would.

    The temperature of stage 1 is one number, which has no slices; the encoder's last norm is called by itself there,
    on cached features, outside of everything that puts slices together.
    """
    kept = {parameter for parameter in module.parameters() if parameter.ndim == 0}
    norm = module.vision.final_norm if isinstance(module, Stage1Model) else None
    return kept | (set() if norm is None else set(norm.parameters()))


def _sharded(root: Any) -> list[FSDPModule]:
    return [part for part in root.modules() if isinstance(part, FSDPModule)]


@cache
def _register_outputs() -> None:
    """FSDP looks for tensors in what forward returns; it sees into these then."""
    for kind in (VLMOutput, LossPart, Reading):
        register_dataclass(kind)
