"""Data of a stage, step by step: which samples, in which micro-batches, made ahead by worker processes.

What is learned from at a step depends on nothing but seed and step: neither on the number of processes and workers, nor
on the size of micro-batches, nor on where a run was stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import RowLog
from vistune.data.batch_maker import Collate, Load, LoadImages
from vistune.data.loader import LoaderOf
from vistune.data.mixture import Mixture
from vistune.data.packing import RowSize
from vistune.data.pairs import PairProcessor
from vistune.data.plans import GroupPlanner, Lengths, Plan, Planner, SampleSet, Share, StepPlanner
from vistune.errors import RecipeError
from vistune.train.recipe.stage import Stage
from vistune.train.step_data import CollateAnswers, CollatePairs, StepData

if TYPE_CHECKING:
    from vistune.data.processor import Processor


class Feed:
    """This process's share of every step.

    Args:
        sets: data sets of the mixture, in its order. mixture: what is drawn when. processor: of the model.
        stage: batch and micro-batch sizes, and whether its objective learns from pairs. steps: of the stage.
        load: fills in the pictures; None: the checkpoint's own preparation.
        share: which process this is of how many.
        max_tokens: samples of a step share rows of at most so many tokens; None: a row each, padded.
        group_by_length: steps are put together of samples of like length and kind.
        workers: processes that make batches; 0 makes them in this one. log: what happens to bad samples.
        data: fingerprint of the rows, if known; going on with other data is refused.

    Raises:
        RecipeError: fewer samples a step than processes, or pairs that they cannot share evenly.
    """

    def __init__(
        self,
        sets: Sequence[SampleSet],
        mixture: Mixture,
        processor: Processor | PairProcessor,
        stage: Stage,
        steps: int,
        load: Load | None = None,
        *,
        share: Share | None = None,
        max_tokens: int | None = None,
        group_by_length: bool = False,
        workers: int = 0,
        log: RowLog | None = None,
        data: str = "",
    ) -> None:
        share = share or Share()
        pairs = stage.objective == "blip2_stage1"
        _check_share(stage, share, pairs)
        self.names = mixture.names
        self.mixture = mixture
        self.log = log or RowLog()
        self.share = share
        self.fingerprint = _fingerprint(mixture, stage, max_tokens, group_by_length, data)
        planner = _planner(sets, mixture, processor, stage, share, max_tokens, group_by_length)
        collate = _collate(processor, stage, pairs)
        loader = LoaderOf(
            planner, sets, load or LoadImages(processor), collate, workers=workers, steps=steps, log=self.log
        )
        self._loader: LoaderOf[StepData] = loader
        self._iterator: Iterator[StepData] | None = None

    def next(self) -> StepData:
        """The next step's share.

        Raises:
            BadRow, DataError, InputError: samples that cannot be used. TrainingError: a worker died.
        """
        if self._iterator is None:
            self._iterator = iter(self._loader)
        return next(self._iterator)

    def state_dict(self) -> dict[str, Any]:
        """Where the last step that was taken leaves off, as JSON can hold it: kilobytes."""
        return self._loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave, with any number of processes and workers."""
        self.close()
        self._loader.load_state_dict(state)

    def close(self) -> None:
        """End the workers."""
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


class PairPlanner:
    """A share of every step that stands together: pairs are numbered through, process by process."""

    def __init__(self, whole: Planner, share: Share) -> None:
        self._whole = whole
        self._share = share

    def plan(self) -> Plan:
        """The next batch."""
        draws = self._whole.plan().draws
        size = len(draws) // self._share.world_size
        return Plan(draws[self._share.rank * size : (self._share.rank + 1) * size])

    def state_dict(self) -> dict[str, Any]:
        """Where the whole stands."""
        return self._whole.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._whole.load_state_dict(state)


def _planner(
    sets: Sequence[SampleSet],
    mixture: Mixture,
    processor: Processor | PairProcessor,
    stage: Stage,
    share: Share,
    max_tokens: int | None,
    group_by_length: bool,
) -> Planner:
    if stage.objective == "blip2_stage1":
        return PairPlanner(StepPlanner(mixture, stage.batch_size), share)
    if group_by_length:
        measure = Lengths(sets, getattr(processor, "encoder_decoder", False))
        return GroupPlanner(mixture, measure, stage.batch_size, share=share)
    size = None if max_tokens is None else RowSize(max_tokens)
    return StepPlanner(mixture, stage.batch_size, size, share)


def _collate(processor: Processor | PairProcessor, stage: Stage, pairs: bool) -> Collate[StepData]:
    if pairs:
        return CollatePairs(processor.pad_id, stage.micro_batch_size)
    if isinstance(processor, PairProcessor):
        raise RecipeError(
            f"Stage {stage.name!r} learns answers ({stage.objective}), but its model only reads pairs of picture and "
            "caption; give it the objective blip2_stage1."
        )
    return CollateAnswers(processor, stage.micro_batch_size)


def _check_share(stage: Stage, share: Share, pairs: bool) -> None:
    if stage.batch_size < share.world_size:
        raise RecipeError(
            f"Stage {stage.name!r} has {stage.batch_size} samples a step for {share.world_size} processes; give it at "
            "least one for each, or start fewer processes."
        )
    if pairs and stage.batch_size % share.world_size:
        raise RecipeError(
            f"Stage {stage.name!r} contrasts {stage.batch_size} pairs, which {share.world_size} processes cannot share "
            "evenly; give it a batch_size that divides."
        )


def _fingerprint(mixture: Mixture, stage: Stage, max_tokens: int | None, grouped: bool, data: str) -> str:
    """Hash of everything that says which sample comes when."""
    content = [
        mixture.table(),
        mixture.seed,
        mixture.homogeneous,
        stage.batch_size,
        stage.objective,
        None if max_tokens is None else "packed",
        grouped,
        data,
    ]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
