"""A stage on samples that are in memory, in one process: tokens kept once made, features from a cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vistune.data.encoded_set import EncodedSet
from vistune.data.mixture import Mixture
from vistune.data.processor import Processor
from vistune.data.ready import ReadySet, as_it_is
from vistune.model.vlm import VisionLanguageModel
from vistune.train.checkpoints.checkpoints import Checkpoints
from vistune.train.feed import Feed
from vistune.train.loop import StageRun
from vistune.train.objectives.answers import AnswersObjective
from vistune.train.parallel.processes import Processes
from vistune.train.parallel.wrap import spread
from vistune.train.precision import autocast
from vistune.train.prepare import check_features, check_packing, prepare_model, settings_fingerprint
from vistune.train.recipe.stage import Stage
from vistune.train.reports.report import Report
from vistune.train.schedule import num_steps

CHECKPOINTS = "checkpoints"


def run_in_memory(
    model: VisionLanguageModel,
    stage: Stage,
    sets: Sequence[EncodedSet],
    processor: Processor,
    folder: Path,
    *,
    seed: int = 0,
    power: float = 0.5,
    max_tokens: int | None = None,
    reports: Sequence[Report] = (),
    evaluate: Callable[[int], Mapping[str, float]] | None = None,
    say: Callable[[str], None] = print,
) -> StageRun:
    """A stage that learns the answers of these sets; `StageRun.run` does it, from a checkpoint in ``folder`` if any.

    Args:
        model: its parameters are changed. sets: mixed with probabilities ~ size^power.
        seed: of the order of samples and of dropout. max_tokens: of packed rows; None: padded.
        say: told of damaged checkpoints.

    Raises:
        RecipeError: the stage trains what the model does not have, the cached features do not fit what trains, or its
            rows cannot be packed.
    """
    processes = Processes.alone(model.device)
    check_packing(model, max_tokens)
    kinds = [item.features.before_norm for item in sets if item.features is not None and not item.features.pixels]
    before_norm = check_features(kinds, stage)
    trained = prepare_model(model, stage, processes.device)
    mixture = Mixture({item.name: len(item) for item in sets}, power, seed)
    steps = num_steps(stage, sum(mixture.sizes))
    ready = [ReadySet(item) for item in sets]
    data = data_fingerprint(sets)
    feed = Feed(ready, mixture, processor, stage, steps, as_it_is, max_tokens=max_tokens, data=data)
    fingerprints = {"settings": settings_fingerprint(stage, steps, seed), "data": feed.fingerprint}
    precision = autocast(stage.precision, processes.device)
    parameters = [parameter for named in trained.values() for _, parameter in named]
    return StageRun(
        model,
        stage,
        feed,
        AnswersObjective(len(sets), precision, before_norm),
        Checkpoints(folder / CHECKPOINTS, stage.keep, processes, say, fingerprints),
        steps=steps,
        seed=seed,
        spread=spread(model, parameters, "none", processes),
        folder=folder,
        processor=processor,
        reports=reports,
        evaluate=evaluate,
    )


def data_fingerprint(sets: Sequence[EncodedSet]) -> str:
    """Hash of all that is learned from, in order."""
    digest: Any = hashlib.blake2b(digest_size=16)
    for item in sets:
        digest.update(f"{item.name} {len(item)}\n".encode())
        for example in item.examples:
            digest.update(f"{example.id}\t{example.instruction}\t{example.target}\n".encode())
    found: str = digest.hexdigest()
    return found
