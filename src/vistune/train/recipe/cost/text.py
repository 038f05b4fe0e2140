"""The cost of a recipe as a page of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vistune.train.recipe.cost.estimate import StageCost
from vistune.train.recipe.cost.work import Work, total
from vistune.train.recipe.load import LoadedRecipe


def cost_text(loaded: LoadedRecipe, costs: list[StageCost]) -> str:
    """What `vistune train --dry-run` prints."""
    lines = [f"{loaded.name}: {loaded.recipe.title or loaded.path}"]
    for cost in costs:
        lines += ["", *_stage(cost)]
    return "\n".join(lines)


def amount(number: float, unit: str = "") -> str:
    """With a prefix of SI: 1.23 T."""
    for prefix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {prefix}{unit}"
    return f"{number:.3g} {unit}".strip()


def _stage(cost: StageCost) -> Iterator[str]:
    yield f"Stage {cost.name} ({cost.objective})"
    for label, parts in (("trains", cost.trains), ("frozen", cost.frozen)):
        names = ", ".join(f"{part} {number:,}" for part, number in parts.items()) or "nothing"
        yield f"  {label}: {names}  ({sum(parts.values()):,} parameters)"
    yield f"  optimiser: AdamW, two moments in float32, {amount(8 * sum(cost.trains.values()), 'B')} in all"
    yield f"  a sample (assumed means): {_sample(cost)}"
    shapes = (f"{name} [B, {', '.join(map(str, shape))}]" for name, shape in cost.shapes.items())
    yield f"  shapes: {', '.join(shapes)}"
    yield from _length(cost)
    yield from _work(cost)
    yield from _memory(cost)
    yield from _time(cost)


def _sample(cost: StageCost) -> str:
    lengths = cost.lengths
    words = ["1 picture" if lengths.images == 1 else f"{lengths.images:.2g} pictures"]
    if "qformer" in cost.work and lengths.instruction:
        words.append(f"{lengths.instruction:.0f} tokens of text for the Q-Former")
    if "language" in cost.work:
        words.append(f"{lengths.prompt:.0f} for the language model to read and {lengths.target:.0f} to learn")
    return ", ".join(words)


def _length(cost: StageCost) -> Iterator[str]:
    samples = "rows of one's own" if cost.samples is None else f"{cost.samples:,} samples"
    steps = "as many steps as they give" if cost.steps is None else f"{cost.steps:,} steps"
    yield f"  length: {samples}, {steps} of {cost.batch_size:,}"


def _work(cost: StageCost) -> Iterator[str]:
    yield f"  FLOPs a sample {'forward':>12} {'gradients':>12} {'weights':>12} {'again':>12} {'total':>12}"
    for place, work in cost.work.items():
        yield f"    {place:12} {_row(work)}"
    everything = total(cost.work.values())
    yield f"    {'all':12} {_row(everything)}"
    if cost.cached is not None:
        without = total(cost.cached.values())
        condition = "" if cost.fixed_pictures else "; needs another transform than random-crop"
        yield (
            f"  with cached features: {amount(without.total, 'FLOP')} a sample, {everything.total / without.total:.2f} "
            f"times fewer ({amount(cost.feature_bytes, 'B')} a picture{condition})"
        )


def _row(work: Work) -> str:
    numbers = (work.forward, work.inputs, work.weights, work.again, work.total)
    return " ".join(f"{amount(number):>12}" for number in numbers)


def _memory(cost: StageCost) -> Iterator[str]:
    gpu = cost.machine.gpu
    yield f"  memory of a GPU ({gpu.name}, {amount(gpu.memory, 'B')}; activations are an estimate)"
    for kind, fit in cost.spread.items():
        memory = fit.memory
        shares: Mapping[str, float] = {
            "weights": memory.weights,
            "gradients": memory.gradients,
            "optimiser": memory.optimiser,
            "activations": memory.activations,
            "working": memory.working,
        }
        parts = ", ".join(f"{name} {amount(number, 'B')}" for name, number in shares.items())
        verdict = "fits" if fit.fits else "does not fit"
        if kind != "none":
            needed = cost.needed[kind]
            verdict += "; 64 would not do" if needed is None else f"; {needed} would do"
        rows = f"{fit.gpus} GPU{'s' * (fit.gpus > 1)}, {fit.rows} row{'s' * (fit.rows > 1)} at once"
        yield f"    {kind:5} {rows}: {amount(memory.total, 'B')} ({parts}); {verdict}"


def _time(cost: StageCost) -> Iterator[str]:
    machine = cost.machine
    for label, cached in (("", False), (" with cached features", True)):
        flops, hours = cost.flops(cached), cost.gpu_hours(cached)
        if flops is not None and hours is not None:
            yield (
                f"  all steps{label}: {amount(flops, 'FLOP')}, {amount(hours)} GPU-hours at {machine.utilisation:.0%} "
                f"of the peak ({amount(cost.peak, 'FLOP/s')}), {duration(hours / machine.gpus)} on {machine.gpus}"
            )


def duration(hours: float) -> str:
    """In words, at a unit that fits."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:.1f} {unit}"
    return f"{hours * 3600:.2g} seconds"
