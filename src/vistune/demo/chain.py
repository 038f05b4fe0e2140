"""One chain of stages on one model: encode the pictures, train stage after stage, evaluate, save."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from vistune.checkpoint import save_model
from vistune.data.encoded_set import EncodedSet
from vistune.data.features import FeatureCache, encode_features, final_norm, prepare_pixels
from vistune.data.processor import Processor
from vistune.demo.experiment import Experiment
from vistune.demo.folders import PARTS_FILE, answers_file, data_file, done_file, stage_folder, times_file, write_json
from vistune.demo.models import build_instructblip, build_llava
from vistune.demo.plan import Plan, blind_stage, instructblip_stages, llava_stages
from vistune.evaluate.run import evaluate_task, write_answers
from vistune.infer.predictor import Predictor
from vistune.model.vlm import VisionLanguageModel
from vistune.train.in_memory import run_in_memory
from vistune.train.interrupt import Interrupted
from vistune.train.loop import StageRun
from vistune.train.parts import describe_parts, parts_text
from vistune.train.recipe.stage import Stage
from vistune.train.reports.json_log import JsonLog
from vistune.train.reports.report import Report, StepEntry
from vistune.train.result import read_result

# What else a chain does, in training steps that take as long: only for the share that is done.
_ENCODING = 80.0
_EVALUATION = 150.0
# Pictures whose prepared pixels are kept in memory (14 KB each at 48 pixels a side); more are opened when needed.
_MOST_PIXELS = 30_000
# Groups of the mixture that are printed.
_SHOWN = 20
# Steps between words about progress.
_TELL_EVERY = 10


@dataclass
class Reporter:
    """Whom a chain tells what it does.

    line: takes a sentence for people. progress: takes what is going on and the share of the chain that is done.
    should_stop: asked between steps and between tasks.
    """

    line: Callable[[str], None] = lambda text: None
    progress: Callable[[str, float], None] = lambda text, share: None
    should_stop: Callable[[], bool] = lambda: False


class _Progress(Report):
    """Tells of a stage's steps now and then, and passes on what is for people."""

    def __init__(self, tell: Callable[[str, int], None], line: Callable[[str], None]) -> None:
        self._tell = tell
        self._line = line

    def line(self, text: str) -> None:
        """Pass it on."""
        self._line(text)

    def step(self, entry: StepEntry) -> None:
        """Every few steps."""
        if entry.step % _TELL_EVERY == 0 or entry.step == entry.steps:
            speed = f"{entry.samples_per_second:.0f} samples/s"
            self._tell(f"{entry.stage} {entry.step}/{entry.steps}, loss {entry.loss:.3f}, {speed}", entry.step)


class ChainRun:
    """One of CHAINS in the folder ``out``; :meth:`run` does what is not done there yet."""

    def __init__(
        self, name: str, experiment: Experiment, plan: Plan, seed: int, out: Path, reporter: Reporter | None = None
    ) -> None:
        self._name = name
        self._experiment = experiment
        self._plan = plan
        self._seed = seed
        self._out = out
        self._reporter = reporter or Reporter()
        self._work_done = 0.0
        self._work = 1.0

    def run(self) -> None:
        """Train, evaluate, save.

        Raises:
            Interrupted: a stop was asked for; everything done so far is kept.
        """
        if self._name == "instructblip":
            self._run_instructblip()
        else:
            self._run_llava()
        done_file(self._out, self._name).touch()
        self._tell("done", self._work)

    def _run_instructblip(self) -> None:
        stages = instructblip_stages(self._plan)
        self._work = _ENCODING + sum(stage.steps or 0 for stage in stages) + _EVALUATION
        model, processor = build_instructblip(self._seed)
        self._train(model, processor, stages)
        self._evaluate("instructblip", model, processor)
        save_model(model, processor, self._out / "instructblip")

    def _run_llava(self) -> None:
        stages = llava_stages(self._plan)
        blind = blind_stage(self._plan)
        self._work = _ENCODING + sum(stage.steps or 0 for stage in (*stages, blind)) + 2 * _EVALUATION
        model, processor = build_llava(self._seed)
        self._train(model, processor, stages)
        self._evaluate("llava", model, processor)
        save_model(model, processor, self._out / "llava")
        model, processor = build_llava(self._seed)
        self._stage(model, processor, blind, self._tuning_sets(processor, None, blind=True))
        self._evaluate("blind", model, processor, blind=True)
        rows = {name: len(examples) for name, examples in self._experiment.rows().items()}
        write_json(data_file(self._out), {"majority": self._experiment.majority(), "rows": rows})

    def _train(self, model: VisionLanguageModel, processor: Processor, stages: Sequence[Stage]) -> None:
        """Captions in all stages but the last, which tunes on instructions."""
        seen = pixels = None
        if any(read_result(stage_folder(self._out, stage.name)) is None for stage in stages):
            with self._timed("encoding"):
                seen, pixels = self._caches(model, processor)
        self._work_done += _ENCODING
        captions = [EncodedSet("caption", self._experiment.captions, processor, seen)]
        for stage in stages[:-1]:
            self._stage(model, processor, stage, captions)
        tuning = pixels if "vision" in stages[-1].train else seen
        self._stage(model, processor, stages[-1], self._tuning_sets(processor, tuning))

    def _tuning_sets(self, processor: Processor, cache: FeatureCache | None, blind: bool = False) -> list[EncodedSet]:
        tuning = self._experiment.tuning
        return [EncodedSet(name, examples, processor, cache, blind) for name, examples in tuning.items()]

    def _caches(self, model: VisionLanguageModel, processor: Processor) -> tuple[FeatureCache, FeatureCache | None]:
        """Features where the encoder is frozen, before its last norm where that is trained; pixels where it is not."""
        begun = self._work_done
        captions = [image for example in self._experiment.captions for image in example.images]
        tuning = [image for rows in self._experiment.tuning.values() for row in rows for image in row.images]

        def tell(count: int) -> None:
            self._tell(f"encoding training pictures, {count:,} done", begun)
            self._check_stop("while pictures were encoded")

        images = captions if self._plan.tune_vision else captions + tuning
        before_norm = final_norm(model) is not None
        seen = encode_features(
            model, processor, images, before_norm=before_norm, dtype=torch.bfloat16, on_progress=tell
        )
        if not self._plan.tune_vision or len(set(tuning)) > _MOST_PIXELS:
            return seen, None
        return seen, prepare_pixels(processor, tuning, on_progress=tell)

    def _stage(self, model: VisionLanguageModel, processor: Processor, stage: Stage, sets: list[EncodedSet]) -> None:
        folder = stage_folder(self._out, stage.name)
        begun = self._work_done
        progress = _Progress(lambda words, step: self._tell(words, begun + step), self._reporter.line)
        run = run_in_memory(
            model,
            stage,
            sets,
            processor,
            folder,
            seed=self._seed,
            reports=[JsonLog(folder), progress],
            say=self._reporter.line,
        )
        if read_result(folder) is None:
            self._announce(run, model, stage)
        with self._timed(stage.name):
            run.run(self._reporter.should_stop)
        self._work_done = begun + (stage.steps or 0)

    def _announce(self, run: StageRun, model: VisionLanguageModel, stage: Stage) -> None:
        line = self._reporter.line
        line(f"{stage.name}: {parts_text(model, stage.train)}")
        parts = describe_parts(model, stage.train)
        write_json(stage_folder(self._out, stage.name) / PARTS_FILE, {"parts": parts})
        table = run.feed.mixture.table()
        if len(table) > 1:
            shown = [f"{name} {probability:.1%} of {size:,}" for name, size, probability in table[:_SHOWN]]
            rest = f", {len(table) - _SHOWN} more" if len(table) > _SHOWN else ""
            shares = ", ".join(shown) + rest
            line(f"{stage.name}: mixture by size^0.5: {shares}")

    def _evaluate(self, name: str, model: VisionLanguageModel, processor: Processor, blind: bool = False) -> None:
        tests = self._experiment.tests
        tasks = [task for task in tests.tasks if not answers_file(self._out, name, task.name).exists()]
        begun = self._work_done
        predictor = Predictor(model, processor)
        with self._timed(f"evaluation of {name}"):
            for number, task in enumerate(tasks):
                self._tell(f"asking {name}: {task.name}", begun + _EVALUATION * number / len(tasks))
                self._check_stop(f"while {name} was evaluated")
                images = [image for example in task.examples for image in example.images]
                features = None if blind else encode_features(model, processor, images)
                samples = EncodedSet(task.name, task.examples, processor, features, blind, with_targets=False)
                figures, answers = evaluate_task(
                    predictor, task, samples, generate=not blind, closing_token=tests.closing_token
                )
                write_answers(answers_file(self._out, name, task.name), figures, answers)
        self._work_done = begun + _EVALUATION

    def _check_stop(self, place: str) -> None:
        if self._reporter.should_stop():
            raise Interrupted(f"stopped {place}")

    def _tell(self, words: str, work_done: float) -> None:
        self._reporter.progress(words, min(1.0, work_done / self._work))

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        """Note the seconds spent, also where the phase is interrupted: a later sitting adds its own."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            entry = {"phase": f"{self._name}: {phase}", "seconds": round(time.perf_counter() - begun, 2)}
            path = times_file(self._out, self._name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
