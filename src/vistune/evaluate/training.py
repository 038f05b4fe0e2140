"""Evaluation while a model trains: sets or tasks of the picture world, every so many steps, one figure each.

Every figure is on a scale of 0 to 1 (see vistune.evaluate.measures); "mean" is their mean. "loss" is the mean over the
learned tokens of all answers, lower is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch

from vistune.data.instruction_set import InstructionSet
from vistune.data.recipe_sets import open_sets
from vistune.errors import RecipeError
from vistune.evaluate.metrics import mean
from vistune.evaluate.training_sets import MeasuredSet, data_set, evaluation_recipe, words_for, world_set
from vistune.infer.predictor import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    from vistune.data.batch import Encoded
    from vistune.data.example import ImageRef
    from vistune.infer.ranking import Ranking
    from vistune.model.vlm import VisionLanguageModel
    from vistune.train.recipe.data import Data
    from vistune.train.recipe.stage import Stage
    from vistune.train.run.evaluation import Evaluate, Setting

T = TypeVar("T")

# Rows whose pictures are in memory at once.
_CHUNK = 256
_BATCH = 32


def make_evaluator(stage: Stage, data: Data, data_root: Path | None = None) -> TrainingEvaluation:
    """Open what a stage is measured on.

    Args:
        stage: with ``evaluate``. data: what the stage learns from, whose style, format and seed evaluation shares.

    Raises:
        RecipeError: the stage has nothing that could be measured. DataError: sets that are missing or damaged.
    """
    chosen = stage.evaluate
    if chosen is None:
        raise RecipeError(f"Stage {stage.name!r} evaluates nothing; give it `evaluate`.")
    if stage.objective == "blip2_stage1":
        raise RecipeError(f"Stage {stage.name!r} gives no answers that could be measured; leave out `evaluate`.")
    if chosen.world:
        sets = [world_set(name, count, data) for name, count in chosen.world.items()]
    else:
        sets = [data_set(item, data) for item in open_sets(evaluation_recipe(chosen.sets, data), data_root)]
    wanted = chosen.metric
    unmeasured = [item.name for item in sets if item.measure is None]
    if unmeasured and wanted != "loss" and (wanted in unmeasured or len(unmeasured) == len(sets)):
        raise RecipeError(
            f"Stage {stage.name!r} takes its best checkpoint by {wanted!r}, but {', '.join(unmeasured)} can only be "
            "measured by their loss; set metric: loss, or choose other sets."
        )
    return TrainingEvaluation(sets, data)


class TrainingEvaluation:
    """Opened sets; :meth:`on` gives the function that measures a model on them."""

    def __init__(self, sets: Sequence[MeasuredSet], data: Data) -> None:
        self._sets = list(sets)
        self._data = data

    def images(self) -> Iterator[ImageRef]:
        """Every picture that is looked at."""
        return (image for item in self._sets for example in item.examples for image in example.images)

    def on(self, setting: Setting) -> Evaluate:
        """What measures this model after a step.

        Several processes share the rows, and all get all figures.
        """

        def evaluate(step: int) -> Mapping[str, float]:
            with _answering(setting.model), setting.precision():
                return self._figures(setting)

        return evaluate

    def _figures(self, setting: Setting) -> dict[str, float]:
        figures: dict[str, float] = {}
        measured: list[float] = []
        loss = torch.zeros(2, dtype=torch.float64, device=setting.processes.device)
        for item in self._sets:
            worker = _Worker(item, self._data, setting)
            value, free = worker.measure()
            if value is not None:
                figures[item.name] = value
                measured.append(value)
            if free is not None:
                figures[f"{item.name}/answers"] = free
            loss += worker.loss()
        if measured:
            figures["mean"] = mean(measured)
        if loss[1] > 0:
            figures["loss"] = float(loss[0] / loss[1])
        return figures


class _Worker:
    """One set on one model, in this process's share."""

    def __init__(self, item: MeasuredSet, data: Data, setting: Setting) -> None:
        self._item = item
        self._setting = setting
        self._data = data
        processes = setting.processes
        self._rows = range(len(item.examples))[processes.rank :: processes.size]
        self._predictor = Predictor(setting.model, setting.processor)

    def measure(self) -> tuple[float | None, float | None]:
        """The set's figure, and that of free answers where it has one beside."""
        measure, score = self._item.measure, self._item.score
        value = free = None
        if measure is not None and measure.score_rankings is not None:
            value = measure.score_rankings(self._joined(self._ranked()), self._item.examples)
        elif measure is not None and measure.score_texts is not None:
            value = measure.score_texts(self._joined(self._written(measure.max_new_tokens)), self._item.examples)
        if score is not None:
            texts = self._joined(self._written(self._item.max_new_tokens))
            free = mean([score(text, example) for text, example in zip(texts, self._item.examples, strict=True)])
            value = free if value is None else value
        return value, free

    def loss(self) -> torch.Tensor:
        """Sum over learned tokens and their number, of all processes."""
        model, processor = self._setting.model, self._setting.processor
        total = torch.zeros(2, dtype=torch.float64, device=self._setting.processes.device)
        samples = self._samples(with_targets=True)
        for rows in _chunks(self._rows, _BATCH):
            batch = processor.collate([self._setting.load(samples.tokens(row)) for row in rows])
            with torch.no_grad():
                output = model(**batch.to(model.device).model_inputs())
            if output.loss_sum is not None and output.num_tokens is not None:
                total += torch.stack([output.loss_sum.double(), output.num_tokens.double()])
        return self._setting.processes.sum(total)

    def _ranked(self) -> list[Ranking]:
        found: list[Ranking] = []
        words = self._samples(with_targets=False)
        for rows, encoded in self._encoded():
            # Where choices are asked for by letter, letters are ranked; the set knows its choices by their words.
            shown = [list(words.example(row).candidates or ()) for row in rows]
            for row, ranking in zip(rows, self._predictor.rank_encoded(encoded, shown, batch_size=_BATCH), strict=True):
                found.append(replace(ranking, candidates=self._item.examples[row].candidates or ()))
        return found

    def _written(self, max_new_tokens: int) -> list[str]:
        found: list[str] = []
        for _, encoded in self._encoded():
            found += self._predictor.generate_encoded(
                encoded, batch_size=_BATCH, max_new_tokens=max_new_tokens, num_beams=1, do_sample=False
            )
        return found

    def _encoded(self) -> Iterator[tuple[Sequence[int], list[Encoded]]]:
        samples = self._samples(with_targets=False)
        for rows in _chunks(self._rows, _CHUNK):
            yield rows, [self._setting.load(samples.tokens(row)) for row in rows]

    def _samples(self, with_targets: bool) -> InstructionSet:
        item, data = self._item, self._data
        return InstructionSet(
            item.name,
            item.examples,
            self._setting.processor,
            words_for(item, self._setting.model.config),
            data.format,
            data.seed,
            data.max_tokens,
            with_targets=with_targets,
            targets=data.targets,
        )

    def _joined(self, mine: list[T]) -> list[T]:
        """What all processes found, in the order of the rows."""
        parts = self._setting.processes.collect(mine)
        return [parts[row % len(parts)][row // len(parts)] for row in range(len(self._item.examples))]


def _chunks(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


@contextmanager
def _answering(model: VisionLanguageModel) -> Iterator[None]:
    """Eval mode for a while; afterwards every part is again in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
