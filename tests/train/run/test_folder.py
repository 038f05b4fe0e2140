"""Whose a run's folder is: one run at a time, the same recipe, a folder that can be written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.train.run.rig import small

from vistune.errors import ResumeError, StorageError
from vistune.train.recipe import load_recipe
from vistune.train.run import run_recipe
from vistune.train.run.folder import RUN_FILE, RunFolder, recipe_identity, write_text_file
from vistune.train.run.lock import RunLock

HOLD = """
import os, sys, time
from pathlib import Path
from vistune.train.run.lock import RunLock
with RunLock(Path(sys.argv[1])) as lock:
    lock.take()
    if os.fork():
        print("held", flush=True)
    time.sleep(20)
"""


def begun(folder: Path, change: Any = None) -> None:
    """A folder as a run of tiny/llava leaves it after its first checkpoint."""
    identity = recipe_identity(load_recipe("tiny/llava").recipe)
    if change is not None:
        change(identity)
    (folder / "stages" / "align" / "checkpoints" / "step-00000002").mkdir(parents=True)
    (folder / RUN_FILE).write_text(json.dumps({"identity": identity}))


def test_a_folder_is_held_until_its_process_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with RunLock(tmp_path) as lock, pytest.raises(ResumeError, match="Another process trains in the folder"):
            lock.take()
        with pytest.raises(ResumeError, match="choose another folder with --out"):
            run_recipe(small("tiny/llava", tmp_path / "features"), out=tmp_path, say=lambda text: None)
        assert not list(tmp_path.iterdir())
        other.kill()
    for _ in range(2):
        with RunLock(tmp_path) as lock:
            lock.take()
            lock.take()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_held_by_nobody(tmp_path: Path) -> None:
    with RunLock(tmp_path / "none") as lock:
        lock.take()
    assert not (tmp_path / "none").exists()


def test_settings_that_there_were_not_yet_do_not_make_another_recipe(tmp_path: Path) -> None:
    """What they are by default is what the run was begun with."""
    recipe = load_recipe("tiny/llava")
    begun(tmp_path, lambda identity: identity["data"].pop("targets"))
    assert RunFolder(tmp_path).claim(recipe, resume=True)
    with pytest.raises(ResumeError, match=r'data\.targets "as_written" there, "blip_caption" here'):
        RunFolder(tmp_path).claim(load_recipe("tiny/llava", ["data.targets=blip_caption"]), resume=True)


def test_settings_that_are_no_more_do(tmp_path: Path) -> None:
    begun(tmp_path, lambda identity: identity.update(gone=1))
    with pytest.raises(ResumeError, match="gone 1 there, null here"):
        RunFolder(tmp_path).claim(load_recipe("tiny/llava"), resume=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResumeError, match="file' is a file; choose a folder"):
        RunFolder(tmp_path / "file").claim(load_recipe("tiny/llava"), resume=False)
    with pytest.raises(StorageError, match="cannot be written"):
        write_text_file(tmp_path / "file" / "run" / "recipe.yaml", "")


def test_nothing_to_go_on_from_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    recipe = small("tiny/llava", tmp_path / "features", extra=["stages.instruct.evaluate=null"])
    run_recipe(recipe, out=tmp_path / "run", resume=True, say=said.append)
    assert said[0] == f"There is no checkpoint in {tmp_path / 'run'} to go on from; the run begins anew."
    run_recipe(recipe, out=tmp_path / "run", resume=True, say=said.append)
    assert sum("begins anew" in text for text in said) == 1


@pytest.mark.parametrize("content", ["{", "[]", "{}", "\x00\x00"])
def test_a_damaged_record_is_told(tmp_path: Path, content: str) -> None:
    begun(tmp_path)
    (tmp_path / RUN_FILE).write_text(content)
    with pytest.raises(ResumeError, match=r"run\.json' is damaged.*delete the run's folder and begin again"):
        RunFolder(tmp_path).claim(load_recipe("tiny/llava"), resume=True)
