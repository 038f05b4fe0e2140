"""How long samples are, where there is no data to ask: assumed means by task, and what a stage makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vistune.data.recipe import SetChoice
from vistune.data.strict_yaml import read_yaml
from vistune.train.recipe.cost.sizes import ModelSize
from vistune.train.recipe.data import Data
from vistune.train.recipe.stage import Objective

TABLE = Path(__file__).with_name("lengths.yaml")


@dataclass(frozen=True)
class Lengths:
    """Tokens of a sample.

    Args:
        instruction: what an instruction-aware Q-Former reads, or a caption in BLIP-2's stage 1. prompt: text that the
            language model reads and does not learn. target: what it learns. images: number of pictures (a mean).
    """

    instruction: float
    prompt: float
    target: float
    images: float = 1.0


@dataclass(frozen=True)
class Sample:
    """Samples of one set or task: their share of those drawn, and their lengths."""

    name: str
    share: float
    lengths: Lengths


def samples_of(data: Data, objective: Objective) -> list[Sample]:
    """The sets of a stage with their probabilities, which follow published sizes (equal shares where one has none)."""
    rows = list(_rows(data))
    known = all(size is not None for _, size, _ in rows)
    weights = [_weight(data, name) * (size**data.power if known and size else 1.0) for name, size, _ in rows]
    return [
        Sample(name, weight / sum(weights), _as_learned(lengths, data, objective))
        for (name, _, lengths), weight in zip(rows, weights, strict=True)
    ]


def mean_lengths(samples: list[Sample]) -> Lengths:
    """Of a sample that is drawn."""

    def mean(name: str) -> float:
        return sum(sample.share * float(getattr(sample.lengths, name)) for sample in samples)

    return Lengths(mean("instruction"), mean("prompt"), mean("target"), mean("images"))


def row_lengths(size: ModelSize, lengths: Lengths) -> tuple[float, float]:
    """Tokens of the language model: read by the decoder-only model or the encoder; written by a decoder of its own."""
    read = lengths.images * size.image_tokens + lengths.prompt
    if size.language is not None and size.language.encoder_layers:
        return read, lengths.target
    return read + lengths.target, 0.0


def samples_in(data: Data) -> int | None:
    """Number of samples of all sets, as published; None where one of them is one's own."""
    sizes = [size for _, size, _ in _rows(data)]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


@cache
def _table() -> Mapping[str, Any]:
    content: dict[str, Any] = read_yaml(TABLE)[0]
    return content


def _rows(data: Data) -> Iterator[tuple[str, int | None, Lengths]]:
    """(name, number of samples, lengths)."""
    for task, number in data.world.items():
        yield task, number, _lengths(_entry(f"world_{task}", "world"))
    for choice in data.sets:
        size, lengths = _known_set(choice)
        yield choice.name, size if choice.limit is None or size is None else min(size, choice.limit), lengths


def _known_set(choice: SetChoice) -> tuple[int | None, Lengths]:
    from vistune.data.catalogue import SOURCES

    if choice.path is not None or choice.name not in SOURCES:
        return None, _lengths(_entry("own"))
    info = SOURCES[choice.name].info
    size = info.splits.get(choice.split or info.train_split or "")
    if choice.turns == "split" and f"{choice.name}_turn" in _table():
        entry = _table()[f"{choice.name}_turn"]
        return (None if size is None else round(size * entry["turns"])), _lengths(entry["tokens"])
    return size, _lengths(_entry(choice.name, info.group))


def _entry(*names: str) -> Any:
    table = _table()
    return next(table[name] for name in names if name in table)


def _lengths(tokens: list[float]) -> Lengths:
    """[what is asked, what is answered, pictures]"""
    asked, answered, *images = tokens
    return Lengths(asked, asked, answered, *images)


def _weight(data: Data, name: str) -> float:
    return next((choice.weight for choice in data.sets if choice.name == name), 1.0)


def _as_learned(lengths: Lengths, data: Data, objective: Objective) -> Lengths:
    """With what the format puts around them, cut as the data are cut."""
    asked, answered = lengths.prompt, lengths.target
    if data.format == "plain" or (data.style == "plain" and all(_is_caption(name) for name in data.names)):
        asked = 0.0
    asked = min(asked, data.max_instruction_tokens or asked)
    answered = min(answered, data.max_target_tokens or answered)
    if objective == "blip2_stage1":
        return Lengths(answered + 2, 0.0, 0.0, lengths.images)  # [CLS] and [SEP]
    instruction = asked
    if objective == "prefix_lm":
        asked, answered = answered / 2, answered / 2
    around = _table()["formats"]
    prompt = asked + around.get(data.format or "none", around["other"])
    # The end of a target is learned as well.
    return Lengths(instruction, prompt, answered + 1, lengths.images)


def _is_caption(name: str) -> bool:
    from vistune.data.catalogue import SOURCES

    return name in SOURCES and SOURCES[name].info.group == "caption"
