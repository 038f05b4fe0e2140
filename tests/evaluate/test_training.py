"""Evaluation while a model trains: the figures of the parts it is made of, and nothing of the model changed."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import torch
from PIL import Image

from vistune.data.encoded_set import EncodedSet
from vistune.errors import RecipeError
from vistune.evaluate.run import evaluate_task
from vistune.evaluate.training import make_evaluator
from vistune.evaluate.world_tasks import world_task
from vistune.infer.predictor import Predictor
from vistune.train.parallel.processes import Processes
from vistune.train.recipe import load_recipe
from vistune.train.recipe.data import Data
from vistune.train.recipe.stage import Stage
from vistune.train.run.evaluation import Setting
from vistune.train.run.features import evaluation_loading
from vistune.train.run.model.assemble import assemble
from vistune.train.run.model.assembly import Assembly


@pytest.fixture(scope="module")
def assembly() -> Assembly:
    return assemble(load_recipe("tiny/llava").recipe.model, 0)


def stage(evaluate: dict[str, object], **more: object) -> Stage:
    content = {"name": "s", "train": {"projection": 1e-3}, "steps": 1, "batch_size": 1, "evaluate": evaluate, **more}
    return Stage.model_validate(content)


def figures(assembly: Assembly, chosen: Stage, data: Data, processes: Processes | None = None) -> dict[str, float]:
    setting = Setting(
        assembly.whole,
        assembly.whole_processor,
        evaluation_loading(assembly.whole_processor, chosen, 0, None),
        nullcontext,
        processes or Processes.alone(),
    )
    return dict(make_evaluator(chosen, data).on(setting)(1))


def test_tasks_of_the_world_as_their_own_evaluation_has_them(assembly: Assembly) -> None:
    data = Data(world={"caption": 4})
    found = figures(assembly, stage({"every": 1, "world": {"colour": 12, "caption": 4}}), data)
    predictor = Predictor(assembly.whole, assembly.whole_processor)
    for name, count in (("colour", 12), ("caption", 4)):
        task = world_task(name, "val", count, data.seed)
        samples = EncodedSet(name, task.examples, assembly.whole_processor, with_targets=False)
        expected, _ = evaluate_task(predictor, task, samples)
        assert (found[name], found[f"{name}/answers"]) == (expected.rank, expected.generate)
    assert found["mean"] == pytest.approx((found["colour"] + found["caption"]) / 2)
    assert found["loss"] > 0


def test_modes_are_as_they_were(assembly: Assembly) -> None:
    model = assembly.whole
    model.eval()
    model.connector.train()
    before = torch.get_rng_state()
    figures(assembly, stage({"every": 1, "world": {"colour": 2}}), Data(world={"caption": 4}))
    assert model.connector.training and not model.language.training
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


class Twin(Processes):
    """One of two processes, which are threads here."""

    def __init__(self, rank: int, meet: Barrier, desk: list[object]) -> None:
        super().__init__(None, torch.device("cpu"))
        self.rank, self.size, self.meet, self.desk = rank, 2, meet, desk

    def collect(self, value: Any) -> list[Any]:
        self.desk[self.rank] = value
        self.meet.wait()
        values = list(self.desk)
        self.meet.wait()
        return values

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return torch.stack(self.collect(values)).sum(0)


def test_two_processes_share_the_rows_and_both_get_the_figures(assembly: Assembly) -> None:
    """An odd number of rows, each looked at by one process, joined in their order."""
    chosen, data = stage({"every": 1, "world": {"colour": 7, "caption": 5}}), Data(world={"caption": 4})
    meet, desk = Barrier(2, timeout=60), [None, None]
    with ThreadPoolExecutor(2) as pool:
        twins = [pool.submit(figures, copy.deepcopy(assembly), chosen, data, Twin(r, meet, desk)) for r in range(2)]
        first, second = (twin.result() for twin in twins)
    assert first == second
    assert first == pytest.approx(figures(assembly, chosen, data))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (48, 48), colour).save(tmp_path / f"{number}.png")
    return tmp_path


def write(folder: Path, name: str, *entries: dict[str, object]) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"image": f"{n}.png", **entry}) + "\n" for n, entry in enumerate(entries)))
    return str(path)


def test_own_rows_by_what_they_are(assembly: Assembly, rows: Path) -> None:
    answers = write(rows, "qa", {"question": "colour?", "answer": "red"}, {"question": "colour?", "answer": "green"})
    captions = write(rows, "captions", {"caption": "a red field"}, {"caption": "a green field"})
    sets = [{"name": "qa", "path": answers}, {"name": "told", "path": captions}]
    data = Data.model_validate({"sets": [{"name": "qa", "path": answers}]})
    found = figures(assembly, stage({"every": 1, "sets": sets}), data)
    assert set(found) == {"qa", "told", "mean", "loss"}
    assert all(0 <= found[name] <= 1 for name in ("qa", "told", "mean"))


def test_the_loss_is_that_of_targets_as_they_are_learned(assembly: Assembly, rows: Path) -> None:
    def loss(caption: str, targets: str) -> float:
        sets = [{"name": "told", "path": write(rows, "told", {"caption": caption})}]
        data = Data.model_validate({"sets": sets, "targets": targets})
        return figures(assembly, stage({"every": 1, "sets": sets}), data)["loss"]

    by_rule = loss("A (red) FIELD.", "blip_caption")
    assert by_rule == loss("a red field", "as_written") != loss("A (red) FIELD.", "as_written")


def test_what_cannot_be_measured_is_told(rows: Path) -> None:
    data = Data(world={"caption": 4})
    with pytest.raises(RecipeError, match="no answers that could be measured"):
        make_evaluator(stage({"every": 1, "world": {"colour": 2}}, objective="blip2_stage1"), data)
    broken = write(rows, "broken", {"question": "colour?"})
    sets = [{"name": "broken", "path": broken}]
    chosen, learned = stage({"every": 1, "sets": sets}), Data.model_validate({"sets": sets})
    with pytest.raises(RecipeError, match="only be measured by their loss"):
        make_evaluator(chosen, learned)
