"""Which parameters belong to which part of a model; what is frozen and what trains."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from vistune.errors import RecipeError
from vistune.model.vlm import VisionLanguageModel
from vistune.train.config import PARTS, Part

Named = list[tuple[str, nn.Parameter]]


def part_of(name: str) -> Part:
    """The part that the parameter of this name belongs to."""
    prefixes: tuple[tuple[str, Part], ...] = (
        ("vision.backbone.post_layernorm.", "ln_vision"),
        ("vision.", "vision"),
        ("connector.query_tokens", "queries"),
        ("connector.qformer.", "qformer"),
        ("connector.", "projection"),
        ("language.", "language"),
    )
    for prefix, part in prefixes:
        if name.startswith(prefix):
            return part
    raise ValueError(f"Parameter {name!r} belongs to no part; expected it below vision, connector or language.")


def parameters_by_part(model: VisionLanguageModel) -> dict[Part, Named]:
    """All parameters, tied ones once, by part. Parts that the model does not have are missing."""
    found: dict[Part, Named] = {}
    for name, parameter in model.named_parameters():
        found.setdefault(part_of(name), []).append((name, parameter))
    return {part: found[part] for part in PARTS if part in found}


def select_parts(model: VisionLanguageModel, parts: Iterable[Part]) -> dict[Part, Named]:
    """Let the named parts require gradients and nothing else; their parameters by part.

    Raises:
        RecipeError: the model has no such part.
    """
    present = parameters_by_part(model)
    wanted = set(parts)
    for part in wanted - set(present):
        raise RecipeError(f"The stage trains {part!r}, but this model has only {', '.join(present)}; leave it out.")
    for part, named in present.items():
        for _, parameter in named:
            parameter.requires_grad_(part in wanted)
            parameter.grad = None
    return {part: present[part] for part in present if part in wanted}


def set_modes(model: VisionLanguageModel, parts: Iterable[Part]) -> None:
    """Frozen parts in eval mode (no dropout), training ones in train mode."""
    training = set(parts)
    model.eval()
    model.vision.train("vision" in training)
    model.connector.train(bool(training & {"queries", "qformer", "projection"}))
    qformer = getattr(model.connector, "qformer", None)
    if qformer is not None:
        qformer.train("qformer" in training)
    model.language.train("language" in training)


def describe_parts(model: VisionLanguageModel, parts: Iterable[Part]) -> list[tuple[Part, int, bool]]:
    """(part, number of parameters, whether it trains), in the order of PARTS."""
    training = set(parts)
    return [
        (part, sum(parameter.numel() for _, parameter in named), part in training)
        for part, named in parameters_by_part(model).items()
    ]


def parts_text(model: VisionLanguageModel, parts: Iterable[Part]) -> str:
    """One line: what trains and what is frozen, with parameter counts."""
    described = describe_parts(model, parts)
    groups = []
    for label, wanted in (("trains", True), ("frozen", False)):
        entries = [f"{part} {count:,}" for part, count, trains in described if trains is wanted]
        groups.append(f"{label}: {', '.join(entries) or 'nothing'}")
    return "; ".join(groups)
