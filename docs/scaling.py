"""Writes docs/scaling.md from what `vistune train --dry-run` computes:  python docs/scaling.py"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vistune.train.recipe import load_recipe
from vistune.train.recipe.cost.estimate import Machine, StageCost, estimate
from vistune.train.recipe.cost.hardware import gpu_of
from vistune.train.recipe.cost.text import amount, duration
from vistune.train.recipe.cost.work import total

PAGE = Path(__file__).with_name("scaling.md")
UTILISATION = 0.4


@dataclass(frozen=True)
class Run:
    """A published run: its recipe, GPUs, and by stage the hours that were published for it."""

    recipe: str
    gpu: str
    gpus: int
    hours: dict[str, float] | None = None


RUNS = (
    Run("blip2_stage1", "a100-40", 16, {"represent": 144}),
    Run("blip2_stage2_opt2.7b", "a100-40", 16),
    Run("blip2_stage2_opt6.7b", "a100-40", 16),
    Run("blip2_stage2_flant5xl", "a100-40", 16),
    Run("blip2_stage2_flant5xxl", "a100-40", 16, {"speak": 72}),
    Run("blip2_stage2_vicuna7b", "a100-40", 16),
    Run("blip2_stage2_vicuna13b", "a100-40", 16),
    Run("instructblip_flant5xl", "a100-40", 16),
    Run("instructblip_flant5xxl", "a100-40", 16),
    Run("instructblip_vicuna7b", "a100-40", 16),
    Run("instructblip_vicuna13b", "a100-40", 16, {"instruct": 36}),
    Run("finetune_scienceqa_vicuna7b", "a100-40", 16),
    Run("finetune_okvqa_flant5xxl", "a100-40", 16),
    Run("llava_7b", "a100-80", 8),
    Run("llava_13b", "a100-80", 8, {"align": 4, "instruct": 10}),
    Run("llava_scienceqa_13b", "a100-80", 8, {"instruct": 4}),
    Run("llava15_7b", "a100-40", 8, {"align": 3.5, "instruct": 10}),
    Run("llava15_13b", "a100-40", 8, {"align": 5.5, "instruct": 20}),
    Run("llava15_lora_7b", "a100-40", 8),
    Run("llava15_lora_13b", "a100-40", 8),
)

HEAD = """# What the published runs cost

Every number here is what `vistune train RECIPE --dry-run` computes for the recipe, by arithmetic on configurations;
this page is written by `python docs/scaling.py`, and a test compares both. For another GPU, another number of them
or other settings, ask the command:

    vistune train llava15_7b --dry-run --gpu h100 --gpus 4 --utilisation 0.35
    vistune train instructblip_vicuna7b stages.instruct.batch_size=64 --dry-run --json

How it is counted:

- FLOPs are those of matrix products: 2Tab for [T, a] by [a, b], and as much again for each gradient that is needed.
  Frozen weights have no gradient, but pass gradients on: through a frozen language model to the connector. What is
  computed again because activations are not kept (`checkpoint_activations`) is included. Tests hold the count
  within 0.1 % of what torch's `FlopCounterMode` counts on tiny models of every family.
- No data is opened. Lengths of samples are assumed means by task (`src/vistune/train/recipe/cost/lengths.yaml`),
  nothing is computed for padding, numbers of samples are the published ones.
- Memory: weights (frozen ones in 16 bits, what trains in float32), gradients and the two moments of AdamW in
  float32 are exact; activations are an estimate, in tests within 15 % of what torch keeps. "Rows" is how many samples a
  GPU puts through the model at once: its share of the batch, halved until it fits.
- Time is FLOPs over the peak of the GPUs (A100: 312 TFLOP/s in 16 bits), of which 40 % are assumed to be reached.
  Measuring on validation sets on the way is not included.
"""


WORK = """## FLOPs a sample

Forward, gradients and what is computed again, by part; the heads of BLIP-2's stage 1 are in its sum. With cached
features the image encoder is not run. That needs pictures that are prepared the same way each time, so not the random
crops of BLIP-2 and InstructBLIP (`stages.NAME.transform=resize` turns them off). Cache: bytes a picture, in 16 bits.
"""

TIME = """## Time

Published: InstructBLIP section 2.6 (1.5 days; of which model it does not say, so it stands at the largest); BLIP-2
section 3.4 (less than 6 and less than 3 days for the largest model); LLaVA section 5 (4, 10 and 4 hours); the README
of LLaVA-1.5. The last column is the share of the peak that the published time comes to by this count.
"""

MEMORY = """## Memory

Of one GPU, in GB, and the rows it takes at once; then the fewest GPUs of this sort that are enough. On a single GPU
(none), with a copy of the model on each (ddp), with the model in shards (fsdp).
"""

_PLACES = ("vision", "qformer", "projection", "language")


def page() -> str:
    """The whole page."""
    costs = [(run, cost) for run in RUNS for cost in _costs(run)]
    parts = [HEAD, *_work(costs), *_time(costs), *_memory(costs)]
    return "\n".join(parts) + "\n"


def _costs(run: Run) -> list[StageCost]:
    machine = Machine(gpu_of(run.gpu), run.gpus, UTILISATION)
    return estimate(load_recipe(run.recipe).recipe, machine)


def _work(costs: Iterable[tuple[Run, StageCost]]) -> Iterator[str]:
    yield WORK
    yield from _header("run,stage,vision,Q-Former,projection,language,all,cached,fewer by,cache")
    for run, cost in costs:
        places = [amount(cost.work[name].total) if name in cost.work else "-" for name in _PLACES]
        whole = total(cost.work.values()).total
        row = [run.recipe, cost.name, *places, amount(whole)]
        if cost.cached is not None:
            cached = total(cost.cached.values()).total
            row += [amount(cached), f"{whole / cached:.2f} x", amount(cost.feature_bytes, "B")]
        yield _row(*row)
    yield ""


def _time(costs: Iterable[tuple[Run, StageCost]]) -> Iterator[str]:
    yield TIME
    yield from _header("run,stage,steps x batch,FLOPs,GPU-hours,cached,on,time,published,reached")
    for run, cost in costs:
        flops, hours, cached = cost.flops(), cost.gpu_hours(), cost.gpu_hours(cached=True)
        if flops is None or hours is None or cached is None:
            raise ValueError(f"{run.recipe} has no known length.")
        published = (run.hours or {}).get(cost.name)
        reached = None if published is None else cost.utilisation_of(published)
        yield _row(
            run.recipe,
            cost.name,
            f"{cost.steps:,} x {cost.batch_size:,}",
            amount(flops),
            f"{hours:,.1f}",
            f"{cached:,.1f}",
            f"{run.gpus} x {run.gpu}",
            duration(hours / run.gpus),
            "" if published is None else duration(published),
            "" if reached is None else f"{reached:.0%}",
        )
    yield ""


def _memory(costs: Iterable[tuple[Run, StageCost]]) -> Iterator[str]:
    yield MEMORY
    yield from _header("run,stage,trains,frozen,on,none,ddp,fsdp,needs (ddp),needs (fsdp)")
    for run, cost in costs:
        fits = []
        for fit in cost.spread.values():
            size = f"{fit.memory.total / 1e9:.1f}"
            fits.append(f"{size} ({fit.rows})" if fit.fits else f"{size}: too much")
        needed = [str(cost.needed[kind] or "-") for kind in ("ddp", "fsdp")]
        counts = (amount(sum(parts.values())) for parts in (cost.trains, cost.frozen))
        yield _row(run.recipe, cost.name, *counts, f"{run.gpus} x {run.gpu}", *fits, *needed)


def _header(names: str) -> Iterator[str]:
    cells = names.split(",")
    yield _row(*cells)
    yield "|" + "---|" * len(cells)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
