"""What a recipe costs: parameters, FLOPs, memory and time of every stage."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from vistune.train.recipe.cost.flops import Place, mean_work, sample_work
from vistune.train.recipe.cost.hardware import GPU
from vistune.train.recipe.cost.known import model_size
from vistune.train.recipe.cost.lengths import Lengths, mean_lengths, samples_in, samples_of
from vistune.train.recipe.cost.memory import Memory, Parallel, frozen_parameters, gpu_memory, trained_parameters
from vistune.train.recipe.cost.shapes import Shapes, shapes_of
from vistune.train.recipe.cost.sizes import ModelSize
from vistune.train.recipe.cost.work import Work, total
from vistune.train.recipe.parts import Part
from vistune.train.recipe.recipe import Recipe
from vistune.train.recipe.stage import Stage
from vistune.train.schedule import num_steps

KINDS: tuple[Parallel, ...] = ("none", "ddp", "fsdp")
# Numbers of GPUs that are tried when asked how many are needed.
_COUNTS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Machine:
    """What to compute time and memory for. ``utilisation``: share of the GPUs' peak that is reached."""

    gpu: GPU
    gpus: int = 8
    utilisation: float = 0.4


@dataclass(frozen=True)
class Fit:
    """How a stage is spread.

    Args:
        kind: "none" (one GPU), "ddp" or "fsdp". gpus: their number. rows: samples a GPU puts through the model at once.
        memory: of a GPU. fits: whether it has so much.
    """

    kind: Parallel
    gpus: int
    rows: int
    memory: Memory
    fits: bool


@dataclass(frozen=True)
class StageCost:
    """What a stage costs.

    Args:
        trains, frozen: parameters by part. lengths: mean tokens of a sample, assumed. shapes: of its tensors.
        samples: of all sets, as published; None where they are one's own. steps: None where they depend on such rows.
        work, cached: FLOPs of a sample by place, computing image features or reading them; None: the encoder trains.
        fixed_pictures: whether pictures are prepared the same way each time, which a cache needs.
        feature_bytes: of a picture's cached features in 16 bits. spread: by kind, on the machine that was asked about.
        needed: by kind, the fewest GPUs of this sort that are enough; None if 64 are not.
    """

    name: str
    objective: str
    batch_size: int
    trains: dict[Part, int]
    frozen: dict[Part, int]
    lengths: Lengths
    shapes: Shapes
    samples: int | None
    steps: int | None
    work: dict[Place, Work]
    cached: dict[Place, Work] | None
    fixed_pictures: bool
    feature_bytes: int
    spread: dict[Parallel, Fit]
    needed: dict[Parallel, int | None]
    machine: Machine
    peak: float

    def flops(self, cached: bool = False) -> float | None:
        """Of the whole stage."""
        work = self.cached if cached else self.work
        if self.steps is None or work is None:
            return None
        return total(work.values()).total * self.batch_size * self.steps

    def gpu_hours(self, cached: bool = False) -> float | None:
        """Of the whole stage at the machine's utilisation."""
        flops = self.flops(cached)
        return None if flops is None else flops / (self.peak * self.machine.utilisation) / 3600

    def utilisation_of(self, hours: float) -> float | None:
        """Share of the peak that a run of so many hours on this machine reached."""
        flops = self.flops()
        return None if flops is None else flops / (hours * 3600 * self.machine.gpus * self.peak)


def estimate(recipe: Recipe, machine: Machine) -> list[StageCost]:
    """Of every stage, from configurations alone.

    Raises:
        RecipeError: sizes of a model that are not known. CheckpointError: a folder that is no checkpoint.
    """
    size = model_size(recipe.model)
    return [_stage(recipe, stage, size, machine) for stage in recipe.stages]


def as_json(costs: list[StageCost]) -> list[dict[str, Any]]:
    """Plain numbers, with the totals that the text shows."""
    result = []
    for cost in costs:
        plain = asdict(cost)
        for name in ("work", "cached"):
            for place, work in (getattr(cost, name) or {}).items():
                plain[name][place]["total"] = work.total
        for fit, own in zip(plain["spread"].values(), cost.spread.values(), strict=True):
            fit["memory"]["total"] = own.memory.total
        plain["flops"] = {"computed": cost.flops(), "cached": cost.flops(cached=True)}
        plain["gpu_hours"] = {"computed": cost.gpu_hours(), "cached": cost.gpu_hours(cached=True)}
        result.append(plain)
    return result


def _stage(recipe: Recipe, stage: Stage, size: ModelSize, machine: Machine) -> StageCost:
    data = recipe.data_of(stage)
    drawn = samples_of(data, stage.objective)
    lengths = mean_lengths(drawn)
    samples = samples_in(data)
    cacheable = "vision" not in stage.train
    reads_cache = stage.features is not None
    return StageCost(
        name=stage.name,
        objective=stage.objective,
        batch_size=stage.batch_size,
        trains=trained_parameters(size, stage),
        frozen=frozen_parameters(size, stage),
        lengths=lengths,
        shapes=shapes_of(size, stage, lengths),
        samples=samples,
        steps=stage.steps if samples is None else num_steps(stage, samples),
        work=mean_work((one.share, sample_work(size, stage, one.lengths)) for one in drawn),
        cached=mean_work((one.share, sample_work(size, stage, one.lengths, True)) for one in drawn)
        if cacheable
        else None,
        fixed_pictures=stage.transform.kind != "random-crop",
        feature_bytes=2 * size.features * size.vision.hidden,
        spread={kind: _fit(size, stage, lengths, kind, machine, reads_cache) for kind in KINDS},
        needed={kind: _needed(size, stage, lengths, kind, machine, reads_cache) for kind in KINDS},
        machine=machine,
        peak=machine.gpu.peak(stage),
    )


def _fit(size: ModelSize, stage: Stage, lengths: Lengths, kind: Parallel, machine: Machine, cached: bool) -> Fit:
    """With as many rows at once as fit, at most the stage's own micro-batch or a GPU's share of the batch."""
    gpus = 1 if kind == "none" else machine.gpus
    rows = min(stage.micro_batch_size or stage.batch_size, math.ceil(stage.batch_size / gpus))
    memory = gpu_memory(size, stage, lengths, kind, gpus, rows, cached)
    while rows > 1 and memory.total > machine.gpu.memory:
        rows = max(1, rows // 2)
        memory = gpu_memory(size, stage, lengths, kind, gpus, rows, cached)
    return Fit(kind, gpus, rows, memory, memory.total <= machine.gpu.memory)


def _needed(
    size: ModelSize, stage: Stage, lengths: Lengths, kind: Parallel, machine: Machine, cached: bool
) -> int | None:
    for gpus in _COUNTS[:1] if kind == "none" else _COUNTS:
        if _fit(size, stage, lengths, kind, Machine(machine.gpu, gpus), cached).fits:
            return gpus
    return None
