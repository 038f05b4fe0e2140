"""The training loop: samples of a mixture in, weights, state and log out. One loop for every stage of every model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from vistune.data.batch import IGNORE, Batch, Encoded
from vistune.data.encoded_set import EncodedSet
from vistune.data.features import final_norm
from vistune.data.mixture import Mixture
from vistune.data.packing import RowSize, packed_rows
from vistune.data.processor import Processor
from vistune.errors import RecipeError, TrainingError
from vistune.model.vlm import VisionLanguageModel
from vistune.train.checks import check_packing, data_fingerprint, features_before_norm
from vistune.train.config import StageConfig
from vistune.train.interrupt import Interrupted
from vistune.train.log import TrainLog
from vistune.train.optimiser import build_optimiser, set_rates
from vistune.train.parts import select_parts, set_modes
from vistune.train.precision import autocast
from vistune.train.state import load_state, restore_weights, save_state

Row = TypeVar("Row")


@dataclass(frozen=True)
class Progress:
    """Where a stage stands after ``step`` of ``steps``; loss is the mean since the last report."""

    stage: str
    step: int
    steps: int
    loss: float
    samples_per_second: float
    seconds_left: float


class StageRun:
    """One stage on one model.

    Args:
        model: its parameters are changed. stage: settings.
        sets: data to learn from, mixed by the stage's power of their sizes.
        processor: of the model, for batches.
        folder: of state and log; if it holds a state, :meth:`run` goes on from it.

    Raises:
        RecipeError: the stage trains what the model does not have, the cached features do not fit what trains, or its
            rows cannot be packed.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        stage: StageConfig,
        sets: Sequence[EncodedSet],
        processor: Processor,
        folder: Path,
    ) -> None:
        self.model = model
        self.stage = stage
        self.sets = list(sets)
        self.folder = folder
        self.mixture = Mixture({item.name: len(item) for item in self.sets}, stage.mixture_power, stage.seed)
        self._processor = processor
        self._trained = select_parts(model, stage.learning_rates)
        check_packing(model, stage)
        self._before_norm = features_before_norm(self.sets, stage)
        self._norm = final_norm(model)
        self._fingerprint = data_fingerprint(self.sets)
        self._pending: list[Tensor] = []

    def run(
        self, on_progress: Callable[[Progress], None] | None = None, should_stop: Callable[[], bool] | None = None
    ) -> None:
        """Train to the last step; from the saved state if there is one, with the same result as without a stop.

        Raises:
            Interrupted: ``should_stop`` said so; the state is saved. TrainingError: the loss is not finite.
            ResumeError, StorageError: see vistune.train.state.
        """
        optimiser = build_optimiser(self.stage, self._trained)
        step = self._restore(optimiser)
        if step >= self.stage.steps:
            return
        set_modes(self.model, self.stage.learning_rates)
        log = TrainLog(self.folder, step)
        pace = _Pace(self.stage, step)
        try:
            while step < self.stage.steps:
                loss, norm = self._step(optimiser, step)
                rates = {group["part"]: group["lr"] for group in optimiser.param_groups}
                log.write(step=step, loss=loss, grad_norm=norm, lr=rates, time=round(time.time(), 1))
                step += 1
                pace.add(loss)
                if on_progress is not None and (step % self.stage.report_every == 0 or step == self.stage.steps):
                    on_progress(pace.report(step))
                stopping = should_stop is not None and should_stop()
                if step < self.stage.steps and (stopping or step % self.stage.save_every == 0):
                    self._save(optimiser, step)
                if stopping and step < self.stage.steps:
                    raise Interrupted(f"stopped in stage {self.stage.name!r} after step {step} of {self.stage.steps}")
        finally:
            log.close()
        self._save(None, step)
        self.model.eval()

    def batch(self, step: int) -> list[Encoded]:
        """The samples of a step, a pure function of the stage's seed and the step."""
        return [self.sets[draw.set][draw.index] for draw in self.mixture.draws(step, self.stage.batch_size)]

    def describe_sample(self, step: int = 0) -> str:
        """The first sample of a step in words: what the model is given, and what it learns from."""
        sample = self.batch(step)[0]
        labels = [label for label in sample.labels or [] if label != IGNORE]
        image = self._processor.image_token_id
        given = [i for i in sample.input_ids[: len(sample.input_ids) - len(labels)] if i != image]
        if self._processor.encoder_decoder:
            given = [i for i in sample.input_ids if i != image]
        decode = self._processor.tokenizer.decode
        count = sample.input_ids.count(image)
        return f"{count} image tokens, given {decode(given)!r}, learned {decode(labels)!r}"

    def _restore(self, optimiser: torch.optim.Optimizer) -> int:
        state = load_state(self.folder, self.stage, self._fingerprint)
        if state is None:
            return 0
        restore_weights(self.model, state["weights"])
        if state["optimiser"] is not None:
            optimiser.load_state_dict(state["optimiser"])
        self.model.eval()
        return int(state["step"])

    def _save(self, optimiser: torch.optim.Optimizer | None, step: int) -> None:
        save_state(self.folder, self.stage, self.model, optimiser, step, self._fingerprint)

    def _step(self, optimiser: torch.optim.Optimizer, step: int) -> tuple[float, float]:
        """One update; returns the mean loss over learned tokens and the norm of the gradient before clipping."""
        # Dropout is a function of (seed, step), so going on after a stop needs no random state of the former process.
        torch.manual_seed((self.stage.seed << 32) + step)
        set_rates(optimiser, self.stage, step)
        samples = self.batch(step)
        batches = self._micro_batches(samples)
        total = sum(batch.num_learned(self._processor.encoder_decoder) for batch in batches)
        loss = 0.0
        for batch in batches:
            with autocast(self.stage.precision, self.model.device):
                output = self.model(**self._with_norm(batch.to(self.model.device)).model_inputs())
                part = output.loss_sum / total
            part.backward()
            loss += float(part.detach())
        norm = self._clip()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._fail(optimiser, step, loss, norm, samples)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss, norm

    def _micro_batches(self, samples: list[Encoded]) -> list[Batch]:
        """Packed rows, or rows of similar length together: less padding, the same loss."""
        if any(sample.labels is None for sample in samples):
            raise RecipeError(f"Samples of stage {self.stage.name!r} have no answers; give examples with targets.")
        if self.stage.max_tokens is not None:
            rows = packed_rows(samples, RowSize(self.stage.max_tokens), self._processor.encoder_decoder)
            return [self._processor.pack(chunk) for chunk in self._chunks(rows)]
        if self.stage.micro_batch_size is not None and self.stage.micro_batch_size < len(samples):
            samples = sorted(samples, key=lambda sample: len(sample.input_ids))
        return [self._processor.collate(chunk) for chunk in self._chunks(samples)]

    def _chunks(self, rows: list[Row]) -> list[list[Row]]:
        size = self.stage.micro_batch_size or len(rows)
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def _with_norm(self, batch: Batch) -> Batch:
        """Features cached before the encoder's last norm go through it here, so that it learns."""
        if batch.image_features is None or not self._before_norm or self._norm is None:
            return batch
        return replace(batch, image_features=self._norm(batch.image_features.float()))

    def _clip(self) -> float:
        parameters = [parameter for named in self._trained.values() for _, parameter in named]
        limit = math.inf if self.stage.clip_norm is None else self.stage.clip_norm
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit))

    def _fail(
        self, optimiser: torch.optim.Optimizer, step: int, loss: float, norm: float, samples: list[Encoded]
    ) -> None:
        optimiser.zero_grad(set_to_none=True)
        self._save(optimiser, step)
        names = ", ".join(sample.id for sample in samples)
        raise TrainingError(
            f"Stage {self.stage.name!r} has a loss of {loss} and a gradient norm of {norm} at step {step}; lower the "
            f"learning rate or look at its samples: {names}."
        )


class _Pace:
    """Mean loss and speed since the last report."""

    def __init__(self, stage: StageConfig, step: int) -> None:
        self._stage = stage
        self._step = step
        self._losses: list[float] = []
        self._time = time.perf_counter()

    def add(self, loss: float) -> None:
        self._losses.append(loss)

    def report(self, step: int) -> Progress:
        now = time.perf_counter()
        seconds = (now - self._time) / (step - self._step)
        mean = sum(self._losses) / len(self._losses)
        self._step, self._time, self._losses = step, now, []
        left = seconds * (self._stage.steps - step)
        return Progress(self._stage.name, step, self._stage.steps, mean, self._stage.batch_size / seconds, left)
