"""What a run asks of evaluation, which stands above training and is handed in by the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from vistune.data.batch import Encoded
    from vistune.data.example import ImageRef
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel
    from vistune.train.parallel.processes import Processes
    from vistune.train.recipe.data import Data
    from vistune.train.recipe.stage import Stage

Evaluate = Callable[[int], Mapping[str, float]]
"""Measures after a step: figures by name, "mean" and "loss" among them."""


@dataclass(frozen=True)
class Setting:
    """How a model that trains is measured.

    Args:
        model: that trains, with all its weights (see Spread.whole) while it is measured. processor: of it.
        load: fills in the pictures of a sample: pixels, or features after the encoder's last norm.
        precision: makes the context of forwards. processes: of the run.
    """

    model: VisionLanguageModel
    processor: Processor
    load: Callable[[Encoded], Encoded]
    precision: Callable[[], AbstractContextManager[Any]]
    processes: Processes


class Evaluation(Protocol):
    """What is measured while a stage trains, opened."""

    def images(self) -> Iterable[ImageRef]:
        """Every picture that is looked at."""

    def on(self, setting: Setting) -> Evaluate:
        """The function that measures this model; a collective."""


class OpenEvaluation(Protocol):
    """Opens what a stage is measured on."""

    def __call__(self, stage: Stage, data: Data, data_root: Path | None) -> Evaluation:
        """See vistune.evaluate.training.make_evaluator."""
