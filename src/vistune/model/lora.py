"""Low-rank adapters (LoRA, arXiv 2106.09685) on the parts of a model, by peft."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vistune.errors import RecipeError

LoraPart = Literal["vision", "qformer", "language"]

# Where the part's own module stands in a VisionLanguageModel: what transformers calls a model, for the two it makes.
PLACES: dict[LoraPart, str] = {
    "vision": "vision.backbone",
    "qformer": "connector.qformer",
    "language": "language.model",
}
ADAPTER = "default"


@dataclass(frozen=True)
class LoraSettings:
    """Adapters of one part; the defaults are LLaVA's (train.py).

    Args:
        r: rank. alpha: the product is scaled by alpha / r. dropout: in front of the adapter.
        targets: "linear": every Linear of the part but those on top of it (a language model's output matrix); or names
            below the part, or their last words, such as ("q_proj", "v_proj").
    """

    r: int = 64
    alpha: float = 16
    dropout: float = 0.05
    targets: tuple[str, ...] | Literal["linear"] = "linear"

    def __post_init__(self) -> None:
        if self.r < 1 or not 0 <= self.dropout < 1:
            raise RecipeError(
                f"LoRA has rank r={self.r} and dropout={self.dropout}; expected a rank of 1 or more and a dropout from "
                "0 to below 1."
            )


def add_lora(model: nn.Module, settings: Mapping[LoraPart, LoraSettings], seed: int | None = None) -> list[str]:
    """Put adapters on the parts; the model computes what it did before until they learn (B starts at zero).

    The parts' own weights stop requiring gradients, the adapters require them, in float32.

    Args:
        model: a VisionLanguageModel. seed: of A's random start; None: torch's present random state.

    Returns:
        names of the new parameters

    Raises:
        RecipeError: peft is not installed, the model has no such part, there are adapters already, or targets that are
            not there.
    """
    for part, chosen in settings.items():
        module = part_module(model, part)
        if has_lora(module):
            raise RecipeError(f"The part {part!r} has adapters already; merge them first.")
        module.requires_grad_(False)
        names = target_names(module, chosen, part)
        with torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            _peft().inject_adapter_in_model(peft_config(chosen, names), module, ADAPTER)
        # What is small and learns is kept exact, whatever the part's own weights are kept in.
        for name, parameter in module.named_parameters():
            if is_lora(name):
                parameter.data = parameter.data.float()
    return [name for name, _ in model.named_parameters() if is_lora(name)]


def peft_config(settings: LoraSettings, targets: list[str]) -> Any:
    """peft's LoraConfig for these full names of modules."""
    return _peft().LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        bias="none",
        inference_mode=False,
    )


def target_names(module: nn.Module, settings: LoraSettings, part: str) -> list[str]:
    """Names, below the part, of the layers that get adapters.

    Raises:
        RecipeError: a target that is not there, with those that are.
    """
    heads = _heads(module)
    linear = [name for name, layer in module.named_modules() if _is_linear(layer) and id(layer) not in heads]
    if settings.targets == "linear":
        return linear
    words = {name.rpartition(".")[2] for name in linear}
    missing = sorted(set(settings.targets) - words - set(linear))
    if missing:
        raise RecipeError(
            f"LoRA is to go on {', '.join(missing)} of the part {part!r}, whose layers are {', '.join(sorted(words))}; "
            f"choose of these, or 'linear' for all."
        )
    return [name for name in linear if {name, name.rpartition(".")[2]} & set(settings.targets)]


def part_module(model: nn.Module, part: LoraPart) -> nn.Module:
    """The module of a part.

    Raises:
        RecipeError: the model has none.
    """
    try:
        return model.get_submodule(PLACES[part])
    except (AttributeError, KeyError) as error:
        raise RecipeError(
            f"LoRA is to go on {part!r}, which this model does not have or which takes none; choose of "
            f"{', '.join(PLACES)}."
        ) from error


def lora_parts(model: nn.Module) -> list[LoraPart]:
    """The parts that have adapters."""
    present = dict(model.named_modules())
    return [part for part, place in PLACES.items() if place in present and has_lora(present[place])]


def merge_lora(model: nn.Module) -> None:
    """Add the adapters' products to the weights and remove the adapters: the plain model again.

    Raises:
        RecipeError: the weights are in few bits, which cannot hold the sum.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for part in lora_parts(model):
        module = part_module(model, part)
        layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, BaseTunerLayer)]
        for name, layer in layers:
            base = layer.get_base_layer()
            if type(base) is not nn.Linear:
                raise RecipeError(
                    f"The weights of {part!r} are stored in few bits ({type(base).__name__}) and cannot take up "
                    "adapters; load the base model unquantised and merge there."
                )
            merge: Any = layer.merge
            merge(safe_merge=False)
            owner, _, leaf = name.rpartition(".")
            setattr(module.get_submodule(owner), leaf, base)
        if hasattr(module, "peft_config"):
            del module.peft_config


def lora_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The adapters of a part by the names that peft's files have: ``base_model.model.<layer>.lora_A.weight``."""
    return {_file_name(name): parameter.detach() for name, parameter in module.named_parameters() if is_lora(name)}


def fill_lora(module: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Put tensors of a file in place; returns names that do not fit, on either side."""
    own = {_file_name(name): parameter for name, parameter in module.named_parameters() if is_lora(name)}
    wrong = sorted(set(own) ^ set(tensors))
    wrong += [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    if not wrong:
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(tensors[name])
    return wrong


def has_lora(module: nn.Module) -> bool:
    """Whether there are adapters below."""
    return any(is_lora(name) for name, _ in module.named_parameters())


def is_lora(name: str) -> bool:
    """Whether a parameter of this name belongs to an adapter."""
    return ".lora_" in name


def _file_name(name: str) -> str:
    return "base_model.model." + name.replace(f".{ADAPTER}.", ".")


def _is_linear(layer: nn.Module) -> bool:
    """A Linear that is called as one; nn.MultiheadAttention uses its own only for their weights."""
    return isinstance(layer, nn.Linear) and type(layer).__name__ != "NonDynamicallyQuantizableLinear"


def _heads(module: Any) -> set[int]:
    """What stands on top of a language model."""
    head = module.get_output_embeddings() if hasattr(module, "get_output_embeddings") else None
    return set() if head is None else {id(head)}


def quiet_bitsandbytes() -> None:
    """To be called before bitsandbytes is imported, which peft does too.

    On some processors it warns that it cannot fetch a kernel, which `vistune.model.quantise` never uses.
    """
    logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_says_something)


def _says_something(record: logging.LogRecord) -> bool:
    return "gemm_4bit_forward" not in record.getMessage()


def _peft() -> Any:
    quiet_bitsandbytes()
    try:
        import peft
    except ImportError as error:
        raise RecipeError("LoRA needs peft; install it with pip install 'vistune[train]'.") from error
    return peft
