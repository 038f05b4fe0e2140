"""vistune's way: packed rows, its training loop with checkpoints and log, and cached features if asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from train_model import BATCH, CLIP_NORM, RATE, ROW, TRAINED, WEIGHT_DECAY, Examples, Kind
from train_timing import Timed

from vistune.checkpoint import load_model
from vistune.data.features import FeatureCache, LoadFeatures, encode_features
from vistune.data.instruction_set import InstructionSet
from vistune.data.mixture import Mixture
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.feed import Feed
from vistune.train.loop import StageRun
from vistune.train.objectives.answers import AnswersObjective
from vistune.train.parallel.processes import Processes
from vistune.train.parallel.wrap import Spread, spread
from vistune.train.prepare import prepare_model
from vistune.train.recipe.stage import Stage
from vistune.train.reports.json_log import JsonLog
from vistune.train.reports.report import Report, StepEntry


def train_ours(
    kind: Kind,
    folder: Path,
    examples: Examples,
    steps: int,
    run: Path,
    workers: int,
    device: str,
    cache: FeatureCache | None = None,
    save_every: int = 10**9,
) -> tuple[Timed, float]:
    """The first ``steps`` steps of the mixture with seed 0.

    Args:
        run: folder of checkpoints and log. cache: features of all pictures; None: the encoder runs on each.

    Returns:
        steps, and share of the time that training stood still for checkpoints and logging
    """
    model, processor = load_model(folder, dtype="float32")
    stage = stage_of(kind, steps, save_every)
    place = torch.device(device)
    trained = prepare_model(model, stage, place)
    parameters = [parameter for named in trained.values() for _, parameter in named]
    processes = Processes.alone(place)
    wrapped = spread(model, parameters, "none", processes)
    feed = feed_of(kind, processor, examples, stage, cache, workers)
    steps_seen = _Steps(wrapped)
    stage_run = StageRun(
        model,
        stage,
        feed,
        steps_seen.timing(AnswersObjective(1)),
        Checkpoints(run / "checkpoints", 2, processes, print),
        steps=steps,
        seed=0,
        spread=wrapped,
        folder=run,
        processor=processor,
        reports=[JsonLog(run), steps_seen],
    )
    with steps_seen:
        result = stage_run.run()
    return steps_seen.timed, result.seconds_lost / result.seconds


def feed_of(
    kind: Kind, processor: Any, examples: Examples, stage: Stage, cache: FeatureCache | None, workers: int = 0
) -> Feed:
    """Packed batches of the samples, pictures or their features in them."""
    mixture = Mixture({"mixed": len(examples)})
    load = None if cache is None else LoadFeatures(cache)
    data = [InstructionSet("mixed", examples, processor)]
    return Feed(data, mixture, processor, stage, stage.steps or 0, load, max_tokens=ROW[kind], workers=workers)


def cached_features(folder: Path, pictures: list[Path], device: str) -> FeatureCache:
    """Features of every picture, as a run makes them once for all its epochs."""
    model, processor = load_model(folder, dtype="float32", device=device)
    return encode_features(model, processor, pictures)


def order_of(count: int, steps: int) -> list[int]:
    """The samples that `train_ours` learns from, as the other side must get them."""
    mixture = Mixture({"mixed": count})
    return [draw.index for step in range(steps) for draw in mixture.draws(step, BATCH)]


def stage_of(kind: Kind, steps: int, save_every: int = 10**9) -> Stage:
    """The settings that both sides train with."""
    return Stage(
        name="bench",
        train=dict.fromkeys(TRAINED[kind], RATE[kind]),
        steps=steps,
        batch_size=BATCH,
        schedule="constant",
        weight_decay=WEIGHT_DECAY,
        clip_norm=CLIP_NORM,
        precision="float32",
        save_every=save_every,
    )


class _Steps(Report):
    """Times the objective (forward and backward), clipping and the optimiser inside of each step."""

    def __init__(self, wrapped: Spread) -> None:
        self.timed = Timed()
        self._inside = 0.0
        wrapped.clip = self._timing(wrapped.clip)  # type: ignore[method-assign]

    def timing(self, objective: Any) -> Any:
        """The objective, timed."""
        return self._timing(objective)

    def __enter__(self) -> None:
        begun: list[float] = []
        before = register_optimizer_step_pre_hook(lambda *_: begun.append(time.perf_counter()))
        after = register_optimizer_step_post_hook(lambda *_: self._add(begun.pop()))
        self._hooks = (before, after)

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def step(self, entry: StepEntry) -> None:
        """A step was made."""
        self.timed.add(entry.loss, entry.seconds, entry.seconds - self._inside)
        self._inside = 0.0

    def _timing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begun = time.perf_counter()
            found = function(*arguments)
            self._add(begun)
            return found

        return timed

    def _add(self, begun: float) -> None:
        self._inside += time.perf_counter() - begun
