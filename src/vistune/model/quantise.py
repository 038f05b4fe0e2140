"""Frozen weights in few bits (QLoRA, arXiv 2305.14314), by bitsandbytes: on GPUs, and slowly on the CPU too."""

from __future__ import annotations

import logging
from typing import Any, Literal

import torch
from torch import nn

from vistune.errors import InputError, RecipeError
from vistune.model.lora import LoraPart, LoraSettings, part_module, quiet_bitsandbytes, target_names

Bits = Literal["nf4", "int8"]

# Numbers that share a scale. Rows of other lengths are unpacked wrongly on the CPU (bitsandbytes 0.50.2, silently: an
# error of 37 % in place of 9 % at a width of 32).
BLOCK = 64


def quantise(model: nn.Module, part: LoraPart, kind: Bits = "nf4", compute: torch.dtype | None = None) -> list[str]:
    """Store every Linear of a part, but those on top of it, in 4 bits (nf4, scales quantised too) or 8.

    Embeddings, norms and the output matrix stay as they are; so do what transformers keeps in float32 (T5's ``wo``),
    inputs of a width that is no multiple of 64 (nf4), and all other parts. The weights stop requiring gradients;
    gradients still flow through them.

    Args:
        model: a VisionLanguageModel with its weights, without adapters on the part (they come afterwards).
        compute: dtype of the products; None: that of the part's weights.

    Returns:
        names of the layers, below the part

    Raises:
        InputError: bitsandbytes is not installed, or an unknown kind. RecipeError: no such part, or nothing that fits.
    """
    if kind not in ("nf4", "int8"):
        raise InputError(f"Unknown quantisation {kind!r}; expected 'nf4' or 'int8'.")
    module = part_module(model, part)
    # T5 casts what goes into ``wo`` to the dtype of its weight: to bytes, if that were packed.
    exact = set(getattr(module, "_keep_in_fp32_modules", None) or ())
    names = [name for name in target_names(module, LoraSettings(), part) if name.rpartition(".")[2] not in exact]
    if kind == "nf4":
        names = [name for name in names if _width(module.get_submodule(name)) % BLOCK == 0]
    if not names:
        raise RecipeError(f"The part {part!r} has no layer that {kind} fits (widths of {BLOCK}); leave it as it is.")
    module.requires_grad_(False)
    for name in names:
        owner, _, leaf = name.rpartition(".")
        layer: Any = module.get_submodule(name)
        if type(layer) is not nn.Linear:
            raise RecipeError(
                f"The layer {name} of {part!r} is a {type(layer).__name__}; quantise a part once, and before LoRA."
            )
        # One layer at a time: there is never a second copy of the part.
        setattr(module.get_submodule(owner), leaf, _quantised(layer, kind, compute or layer.weight.dtype))
    # peft asks for these two to choose the adapters that fit.
    flag: Any = module
    flag.is_loaded_in_4bit, flag.is_loaded_in_8bit = kind == "nf4", kind == "int8"
    return names


def is_quantised(module: nn.Module) -> bool:
    """Whether any weight below is stored in few bits."""
    return any(type(parameter).__name__ in ("Params4bit", "Int8Params") for parameter in module.parameters())


def _quantised(layer: nn.Linear, kind: Bits, compute: torch.dtype) -> nn.Module:
    bitsandbytes = _bitsandbytes()
    sizes = (layer.in_features, layer.out_features, layer.bias is not None)
    device = layer.weight.device
    new: Any
    if kind == "nf4":
        new = bitsandbytes.nn.Linear4bit(
            *sizes, compute_dtype=compute, compress_statistics=True, quant_type="nf4", device="meta"
        )
        # In eval mode on some processors it would repack its weights for good, with scales in bfloat16.
        new.support_avx512bf16_for_cpu = False
        weight = bitsandbytes.nn.Params4bit(
            layer.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4", module=new
        )
    else:
        # It would say at every call that it multiplies in float16.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        new = bitsandbytes.nn.Linear8bitLt(*sizes, has_fp16_weights=False, threshold=6.0, device="meta")
        weight = bitsandbytes.nn.Int8Params(layer.weight.data, requires_grad=False, has_fp16_weights=False)
    new.weight, new.bias = weight, layer.bias
    # Moving the weight is what quantises it.
    new.weight = new.weight.to(device)
    quantised: nn.Module = new.train(layer.training)
    return quantised


def _width(layer: Any) -> int:
    return int(layer.in_features)


def _bitsandbytes() -> Any:
    quiet_bitsandbytes()
    try:
        import bitsandbytes
    except ImportError as error:
        raise InputError(
            "Weights in few bits need bitsandbytes; install it with pip install 'vistune[quant]'."
        ) from error
    return bitsandbytes
