"""Which parameters belong to which part of a model; what is frozen and what trains."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from vistune.errors import RecipeError
from vistune.model.lora import is_lora
from vistune.model.stage1 import Stage1Model
from vistune.model.vlm import VisionLanguageModel
from vistune.train.recipe.parts import PARTS, Part

Named = list[tuple[str, nn.Parameter]]
Model = VisionLanguageModel | Stage1Model


def part_of(name: str) -> Part:
    """The part that the parameter of this name belongs to."""
    prefixes: tuple[tuple[str, Part], ...] = (
        ("vision.backbone.post_layernorm.", "ln_vision"),
        ("vision.", "vision"),
        ("connector.query_tokens", "queries"),
        ("connector.qformer.", "qformer"),
        ("connector.", "projection"),
        ("language.", "language"),
        ("heads.", "heads"),
    )
    for prefix, part in prefixes:
        if name.startswith(prefix):
            return part
    raise ValueError(f"Parameter {name!r} belongs to no part; expected it below vision, connector, language or heads.")


def parameters_by_part(model: Model) -> dict[Part, Named]:
    """All parameters, tied ones once, by part. Parts that the model does not have are missing."""
    found: dict[Part, Named] = {}
    for name, parameter in model.named_parameters():
        found.setdefault(part_of(name), []).append((name, parameter))
    return {part: found[part] for part in PARTS if part in found}


def select_parts(model: Model, parts: Iterable[Part]) -> dict[Part, Named]:
    """Let the named parts require gradients and nothing else; their parameters by part.

    Of a part that has adapters (vistune.model.lora) only these train.

    Raises:
        RecipeError: the model has no such part.
    """
    present = parameters_by_part(model)
    wanted = set(parts)
    for part in wanted - set(present):
        raise RecipeError(f"The stage trains {part!r}, but this model has only {', '.join(present)}; leave it out.")
    trained = {part: _trainable(named) for part, named in present.items() if part in wanted}
    for _, parameter in (entry for named in present.values() for entry in named):
        parameter.requires_grad_(False)
        parameter.grad = None
    for _, parameter in (entry for named in trained.values() for entry in named):
        parameter.requires_grad_(True)
    return trained


def training_parts(model: Model) -> dict[Part, Named]:
    """What requires gradients, by part; after `select_parts`, and after a model was sharded."""
    found = parameters_by_part(model)
    kept = {part: [(name, p) for name, p in named if p.requires_grad] for part, named in found.items()}
    return {part: named for part, named in kept.items() if named}


def set_modes(model: Model, parts: Iterable[Part], frozen_dropout: bool = False) -> None:
    """Frozen parts in eval mode (no dropout), training ones in train mode.

    Args:
        frozen_dropout: leave that of a frozen language model on, as LAVIS trained InstructBLIP's T5.
    """
    training = set(parts)
    model.eval()
    model.vision.train("vision" in training)
    model.connector.train(bool(training & {"queries", "qformer", "projection"}))
    qformer = getattr(model.connector, "qformer", None)
    if qformer is not None:
        qformer.train("qformer" in training)
    for name in ("language", "heads"):
        module = getattr(model, name, None)
        if module is not None:
            module.train(name in training or (frozen_dropout and name == "language"))


def describe_parts(model: Model, parts: Iterable[Part]) -> list[tuple[str, int, bool]]:
    """(part, number of parameters, whether it trains), in the order of PARTS; adapters are an entry of their own."""
    training = set(parts)
    described: list[tuple[str, int, bool]] = []
    for part, named in parameters_by_part(model).items():
        adapters = [entry for entry in named if is_lora(entry[0])]
        own = [entry for entry in named if not is_lora(entry[0])]
        described.append((part, sum(_numel(p) for _, p in own), part in training and not adapters))
        if adapters:
            described.append((f"{part} LoRA", sum(_numel(p) for _, p in adapters), part in training))
    return described


def parts_text(model: Model, parts: Iterable[Part]) -> str:
    """One line: what trains and what is frozen, with parameter counts."""
    described = describe_parts(model, parts)
    groups = []
    for label, wanted in (("trains", True), ("frozen", False)):
        entries = [f"{part} {count:,}" for part, count, trains in described if trains is wanted]
        groups.append(f"{label}: {', '.join(entries) or 'nothing'}")
    return "; ".join(groups)


def _trainable(named: Named) -> Named:
    adapters = [entry for entry in named if is_lora(entry[0])]
    return adapters or named


def _numel(parameter: nn.Parameter) -> int:
    """Numbers that a parameter stands for; bitsandbytes packs two of 4 bits into a byte."""
    packed = getattr(parameter, "quant_state", None)
    return parameter.numel() if packed is None else int(packed.shape.numel())
