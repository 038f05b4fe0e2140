"""How much the demo does in the minutes it is given: numbers of steps, never a look at the clock.

So the same seed and minutes give the same result on any machine of the same kind, however busy it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from vistune.train.recipe.parts import Part
from vistune.train.recipe.stage import Stage

DEFAULT_MINUTES = 6.0
OWN_DATA_MINUTES = 8.0
# Rows by task at the default length: unequal, as real data sets are, so that the square root has something to balance.
_ROWS: Mapping[str, int] = {
    "caption": 12_000,
    "count": 8_000,
    "existence": 8_000,
    "colour": 4_000,
    "shape": 4_000,
    "place": 4_000,
    "question": 4_000,
}
_CONNECTOR: tuple[Part, ...] = ("ln_vision", "queries", "qformer", "projection")


@dataclass(frozen=True)
class Plan:
    """Lengths of everything.

    align_steps: InstructBLIP's chain, BLIP-2 stage 2 on captions. project_steps: LLaVA's stage 1 on captions.
    tune_steps: instruction tuning of both and of the blind baseline. rows: training rows by task. test_rows: by task,
    at most. tune_vision: whether the image encoder is tuned too in the last stage.
    """

    align_steps: int
    project_steps: int
    tune_steps: int
    rows: dict[str, int]
    test_rows: int
    tune_vision: bool = False
    batch_size: int = 64
    micro_batch_size: int = 32

    def as_dict(self) -> dict[str, Any]:
        """For the record of a run."""
        return asdict(self)


def plan_for(minutes: float) -> Plan:
    """The plan for the picture world in this many minutes on two cores."""
    scale = minutes / DEFAULT_MINUTES
    # Longer runs see new scenes rather than the same ones again; very long ones stay within memory.
    rows = {task: max(64, round(count * min(scale, 10))) for task, count in _ROWS.items()}
    return Plan(
        align_steps=max(4, round(450 * scale)),
        project_steps=max(4, round(80 * scale)),
        tune_steps=max(4, round(320 * scale)),
        rows=rows,
        test_rows=min(2000, max(24, round(400 * scale))),
    )


def plan_for_table(minutes: float) -> Plan:
    """The plan for people's own data.

    Fewer captions of the world; the image encoder is tuned too, as it has seen nothing but that world.
    """
    world = plan_for(minutes)
    scale = minutes / DEFAULT_MINUTES
    return replace(
        world,
        align_steps=max(4, round(150 * scale)),
        project_steps=max(4, round(50 * scale)),
        tune_steps=max(4, round(600 * scale)),
        rows={"caption": world.rows["caption"]},
        test_rows=max(24, round(1500 * minutes)),
        tune_vision=True,
    )


def instructblip_stages(plan: Plan) -> tuple[Stage, Stage]:
    """BLIP-2's stage 2 on captions, then instruction tuning (InstructBLIP section 2.5), at rates for a small model."""
    rates: dict[Part, float] = dict.fromkeys(_CONNECTOR, 1e-3)
    return (
        _stage("blip2-stage-2", rates, plan.align_steps, plan),
        _stage("instruction-tuning", {**rates, **_vision(plan)}, plan.tune_steps, plan),
    )


def llava_stages(plan: Plan) -> tuple[Stage, Stage]:
    """The projector alone on captions, then projector and language model (LLaVA section 4.2)."""
    return (
        _stage("llava-stage-1", {"projection": 2e-3}, plan.project_steps, plan),
        _stage("llava-stage-2", {"projection": 1e-3, "language": 1e-3, **_vision(plan)}, plan.tune_steps, plan),
    )


def blind_stage(plan: Plan) -> Stage:
    """The language model alone on the tuning rows: what can be learned without seeing."""
    return _stage("blind", {"language": 1e-3}, plan.tune_steps, plan)


def _vision(plan: Plan) -> dict[Part, float]:
    return {"vision": 3e-4} if plan.tune_vision else {}


def _stage(name: str, rates: Mapping[Part, float], steps: int, plan: Plan) -> Stage:
    warmup = min(50, steps // 10)
    return Stage(
        name=name,
        train=dict(rates),
        steps=steps,
        batch_size=plan.batch_size,
        micro_batch_size=plan.micro_batch_size,
        warmup_steps=warmup,
        # The first step learns already.
        warmup_start=1 / (warmup + 1),
        weight_decay=0.05,
        clip_norm=1.0,
        # What is frozen now trains in a later stage, and is saved.
        frozen_dtype="float32",
        save_every=100,
    )
