"""A run on the known sets, from tiny releases of them: pictures opened by workers, templates, mixture, evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer

from vistune.data.catalogue import infos, source
from vistune.data.rows import read_rows
from vistune.errors import DataError, VistuneError
from vistune.evaluate.training import make_evaluator
from vistune.train.recipe import load_recipe
from vistune.train.run import RunSummary, run_recipe

TRAINED = ("coco_caption", "textcaps", "vqav2", "aokvqa", "ocrvqa", "vqg_vqav2", "llava_detail", "llava_conversation")


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for release in RELEASES.values():
        release(Writer(root))
    return root


def measured(root: Path) -> list[str]:
    """Sets whose evaluation split the tiny releases have."""
    found = []
    for info in infos():
        try:
            rows = list(read_rows(source(info.name), source(info.name).files(root), str(info.eval_split)))
        except DataError:
            continue
        if rows and info.metric != "-" and all(row.target or row.answers for row in rows) and info.group != "video_qa":
            found.append(info.name)
    return found


def recipe(folder: Path, base: str, **stage: Any) -> Path:
    content = {
        "base": f"tiny/{base}",
        "data": {
            "world": {},
            "sets": [{"name": name, **({"turns": "split"} if "conv" in name else {})} for name in TRAINED],
            "max_instruction_tokens": 24,
            "max_target_tokens": 12,
        },
        "stages": [
            {
                "name": "instruct",
                "train": {"projection": 1e-3},
                "steps": 3,
                "batch_size": 8,
                "micro_batch_size": 4,
                "precision": "float32",
                **stage,
            }
        ],
        "log": {"tensorboard": False},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(content))
    return path


def run(path: Path, out: Path, root: Path) -> RunSummary:
    return run_recipe(load_recipe(path), out=out, data_root=root, evaluator=make_evaluator, say=lambda text: None)


def test_instructblip_on_held_in_sets(tmp_path: Path, data_root: Path) -> None:
    """Random crops, so no features; every set with a metric is measured."""
    names = measured(data_root)
    assert len(names) >= 6
    evaluate = {"every": 3, "sets": names}
    path = recipe(tmp_path, "instructblip", transform="random-crop", evaluate=evaluate)
    done = run(path, tmp_path / "run", data_root)
    [line] = (done.folder / "stages/instruct/evaluations.jsonl").read_text().splitlines()
    figures = json.loads(line)
    found = figures.get("figures", figures)
    assert set(names) <= set(found) and 0 <= found["mean"] <= 1
    record = json.loads((done.folder / "run.json").read_text())
    assert set(record["stages"]["instruct"]["data"]) == set(TRAINED)
    assert done.stages[0].samples == 24


def test_llava_with_packed_rows_and_features(tmp_path: Path, data_root: Path) -> None:
    asked_by_letter = [name for name in ("scienceqa", "iconqa", "aokvqa") if name in measured(data_root)]
    assert asked_by_letter
    evaluate = {"every": 3, "sets": asked_by_letter}
    path = recipe(tmp_path, "llava", features=str(tmp_path / "features"), evaluate=evaluate)
    overrides = ["data.max_tokens=256", "data.max_instruction_tokens=null", "data.max_target_tokens=null"]
    overrides += ["data.format=v1"]
    loaded = load_recipe(path, overrides)
    done = run_recipe(
        loaded, out=tmp_path / "run", data_root=data_root, evaluator=make_evaluator, say=lambda text: None
    )
    assert done.stages[0].steps == 3 and done.model.is_dir()


def test_a_bad_picture_is_an_error_or_a_listed_row(tmp_path: Path, data_root: Path) -> None:
    """With on_error: skip it is left out, and stands in the stage's folder."""
    root = tmp_path / "data"
    shutil.copytree(data_root, root)
    broken = sorted(root.glob("coco/train2014/*.jpg"))[0]
    broken.write_bytes(b"no picture")
    path = recipe(tmp_path, "llava")
    with pytest.raises(VistuneError, match=broken.name):
        run(path, tmp_path / "first", root)
    loaded = load_recipe(path, ["data.on_error={mode: skip, max_share: 1.0}"])
    done = run_recipe(loaded, out=tmp_path / "second", data_root=root, evaluator=make_evaluator, say=lambda text: None)
    assert done.stages[0].bad_rows > 0
    assert broken.name in (done.folder / "stages/instruct/bad_rows.jsonl").read_text()
