"""Several processes on one folder, and processes that are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.features import build_features, encode_features, open_features
from vistune.data.features.claims import Claims
from vistune.data.processor import Processor
from vistune.model.vlm import VisionLanguageModel

Loaded = tuple[VisionLanguageModel, Processor]
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def clip(tiny_checkpoints: dict[str, Path]) -> Loaded:
    return load_model(tiny_checkpoints["llava-linear"], dtype="float32")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(24)]
    for number, path in enumerate(paths):
        picture(number).save(path)
    return paths


def start(work: Callable[[], Any], results: Any = None) -> ForkProcess:
    """Run in a forked process, which has this one's models; one thread, as forked thread pools are not usable."""

    def run() -> None:
        torch.set_num_threads(1)
        result = work()
        if results is not None:
            results.put(result)

    process = FORK.Process(target=run)
    process.start()
    return process


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def slow_down(model: VisionLanguageModel, seconds: float) -> None:
    model.vision.register_forward_pre_hook(lambda *_: time.sleep(seconds))


def check_whole(clip: Loaded, photos: list[Path], root: Path) -> None:
    """Every picture once, with the features that an encoding in one go gives."""
    store = open_features(*clip, root)
    store.verify()
    assert len(store) == len(photos)
    expected = encode_features(*clip, photos, dtype=torch.bfloat16)
    torch.testing.assert_close(store.read(store.rows_of(photos)), expected.read(expected.rows_of(photos)))
    assert not list(root.rglob("*.part"))


def test_two_writers_share_the_work(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "features"
    slow_down(clip[0], 0.02)
    results = FORK.Queue()

    def work() -> int:
        return build_features(*clip, photos, root, batch_size=2, shard_bytes=1, workers=1).encoded

    begun = [start(work, results) for _ in range(3)]
    counts = [results.get(timeout=30) for _ in begun]
    for process in begun:
        process.join(30)
        assert process.exitcode == 0
    assert sum(counts) == len(photos)
    assert sum(count > 0 for count in counts) > 1
    check_whole(clip, photos, root)


def test_killed_again_and_again_it_still_ends_well(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "features"
    slow_down(clip[0], 0.03)
    there = 0
    for _ in range(3):
        process = start(lambda: build_features(*clip, photos, root, batch_size=2, shard_bytes=1, workers=1))
        wait_for(lambda: len(list(root.glob("*/*.safetensors"))) >= there // 2 + 2)  # noqa: B023
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(10)
        assert process.exitcode == -signal.SIGKILL
        store = open_features(*clip, root)
        store.verify()
        assert len(store) > there
        there = len(store)
    report = build_features(*clip, photos, root, batch_size=2)
    assert report.encoded == len(photos) - there
    check_whole(clip, photos, root)


def test_killed_in_the_middle_of_a_file(
    clip: Loaded, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was writing is no features, and goes away; what a living process is writing stays."""
    import safetensors.torch

    root = tmp_path / "features"
    real = safetensors.torch.save_file

    def half(tensors: Any, path: Path, metadata: Any) -> None:
        real(tensors, path, metadata)
        os.truncate(path, path.stat().st_size // 2)
        time.sleep(60)

    monkeypatch.setattr("safetensors.torch.save_file", half)
    process = start(lambda: build_features(*clip, photos[:4], root, workers=1))
    wait_for(lambda: any(part.stat().st_size > 2000 for part in root.rglob("*.safetensors.*.part")))
    monkeypatch.setattr("safetensors.torch.save_file", real)
    build_features(*clip, photos[8:10], root)
    assert len(list(root.rglob("*.safetensors.*.part"))) == 1
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(10)
    report = build_features(*clip, photos, root)
    assert report.encoded == len(photos) - 2
    check_whole(clip, photos, root)


def test_a_waiting_writer_takes_over_from_a_killed_one(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "features"
    root.mkdir()

    def hang() -> None:
        slow_down(clip[0], 60)
        build_features(*clip, photos[:4], root, workers=1)

    results = FORK.Queue()
    hanging = start(hang)
    wait_for(lambda: any(root.glob("*/features.json")))
    time.sleep(0.2)
    second = start(lambda: build_features(*clip, photos[:4], root, workers=1).encoded, results)
    time.sleep(0.5)
    assert not list(root.rglob("*.safetensors")), "the second left the first's pictures alone"
    os.kill(hanging.pid or 0, signal.SIGKILL)
    assert results.get(timeout=20) == 4
    second.join(10)
    hanging.join(10)
    check_whole(clip, photos[:4], root)


def test_claims_are_held_by_one_process_and_end_with_it(tmp_path: Path) -> None:
    taken = FORK.Event()

    def hold() -> None:
        claims = Claims(tmp_path / "claims")
        assert claims.take("a")
        taken.set()
        time.sleep(60)

    process = start(hold)
    assert taken.wait(10)
    with Claims(tmp_path / "claims") as claims:
        assert not claims.take("a")
        assert claims.take("b")
        claims.release("b")
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(10)
        assert claims.take("a")


def test_without_locks_every_claim_is_granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with Claims(tmp_path / "claims") as claims:
        assert claims.take("a")
        assert not claims.usable
        claims.release("a")
