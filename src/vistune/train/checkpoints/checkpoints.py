"""The checkpoints of a stage: saved while it trains, the last few and the best kept, the newest whole one found."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load

from vistune.checkpoint.atomic import recover
from vistune.errors import ResumeError
from vistune.train.checkpoints.files import EXTRA, Manifest, problem_of, step_folder, steps_in
from vistune.train.checkpoints.staging import Staging
from vistune.train.checkpoints.tensors import Places, tensors_to_save
from vistune.train.checkpoints.writer import Content, write_checkpoint, writing_folder
from vistune.train.parallel.processes import Processes, telling_of_lost_processes

FINGERPRINTS = "fingerprints"


class Checkpoints:
    """Checkpoints in one folder. Every method is a collective: all processes call it, in the same order.

    Args:
        folder: on a file system that all processes see. keep: how many of the last are kept; the best one is kept
            besides. report: told in a sentence what was found damaged (on the main process).
        fingerprints: hashes of what a checkpoint belongs to, by name ("settings", "data"); one with others is refused.

    Attributes:
        seconds_lost: time that training stood still for saving, all saves together.
    """

    def __init__(
        self,
        folder: Path,
        keep: int,
        processes: Processes,
        report: Callable[[str], None],
        fingerprints: Mapping[str, str] | None = None,
    ) -> None:
        if keep < 1:
            raise ValueError(f"A run needs at least one checkpoint to go on from, got keep={keep}.")
        self.folder = folder
        self.keep = keep
        self.seconds_lost = 0.0
        self._processes = processes
        self._report = report
        self._fingerprints = dict(fingerprints or {})
        self._peers = _background(processes)
        self._staging = Staging()
        self._thread: Thread | None = None
        self._error: Exception | None = None
        if processes.is_main and folder.is_dir():
            _clean(folder)
        processes.barrier()

    def save(
        self,
        step: int,
        module: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        extra: Mapping[str, Any],
        best: bool = False,
    ) -> None:
        """Copy what learns and let a thread write it; training goes on meanwhile.

        Waits for the save before it, whose error it raises.

        Args:
            step: number of steps done. module: plain, DDP or sharded; only what requires gradients is stored.
            optimiser: None once a stage is finished. extra: anything JSON holds, the same on all processes.
            best: this is the best one so far, to be kept until a better one comes.

        Raises:
            StorageError: the save before could not be written; the checkpoint before that is whole.
        """
        began = time.perf_counter()
        self._join()
        tensors = self._staging.copy(tensors_to_save(module, optimiser))
        content = Content(step, tensors, json.dumps({**extra, FINGERPRINTS: self._fingerprints}), best)
        self._thread = Thread(target=self._write, args=(content,), name=f"checkpoint-{step}")
        self._thread.start()
        self.seconds_lost += time.perf_counter() - began

    def wait(self) -> None:
        """Until what was saved is on the disk.

        Raises:
            StorageError: it could not be written; the checkpoint before is whole.
        """
        began = time.perf_counter()
        self._join()
        self.seconds_lost += time.perf_counter() - began

    def newest(self) -> Path | None:
        """The newest whole checkpoint; None if there never was one. Damaged ones are reported and passed over.

        Raises:
            ResumeError: there are checkpoints, and all are damaged.
        """
        return self._first_whole(only_best=False)

    def best(self) -> Path | None:
        """The newest of those that were saved as best; None if there never was one.

        Raises:
            ResumeError: all that were are damaged.
        """
        return self._first_whole(only_best=True)

    def load(self, path: Path, module: nn.Module, optimiser: torch.optim.Optimizer | None) -> dict[str, Any]:
        """Put a checkpoint into a model and its optimiser, however many processes it was saved by and however the model
        was and is spread.

        Returns:
            ``extra`` as it was saved

        Raises:
            ResumeError: it belongs to a run with other fingerprints, or does not fit the model.
        """
        extra: dict[str, Any] = json.loads((path / EXTRA).read_text(encoding="utf-8"))
        self._check_fingerprints(extra.pop(FINGERPRINTS, {}), path)
        places = Places(module, optimiser, stored_tensors(path), str(path))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            # Each process reads the parts it holds; nothing has to be agreed on.
            load(places.tensors, storage_reader=FileSystemReader(path), no_dist=True)
        if optimiser is not None:
            places.hand_to(optimiser)
        self._processes.barrier()
        return extra

    def _write(self, content: Content) -> None:
        try:
            with telling_of_lost_processes():
                write_checkpoint(step_folder(self.folder, content.step), content, self._peers)
            if self._peers.is_main:
                self._prune(content.step)
        # Whatever it is, the training thread raises it.
        except Exception as error:
            self._error = error

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _prune(self, newest: int) -> None:
        """Keep the last few and the best. Steps after the newest are of a run that was gone back behind."""
        found = steps_in(self.folder)
        kept = [step for step in found if step <= newest][-self.keep :]
        best = [step for step in found if step <= newest and _is_best(found[step])][-1:]
        for step, path in found.items():
            if step not in kept and step not in best:
                _remove(path)

    def _first_whole(self, only_best: bool) -> Path | None:
        found = self._processes.broadcast(list(steps_in(self.folder).values()))
        if only_best:
            found = self._processes.broadcast([path for path in found if _is_best(path)])
        problems: list[str] = []
        for path in reversed(found):
            answers = self._processes.collect(problem_of(path, self._processes.rank, self._processes.size))
            problem = next((answer for answer in answers if answer is not None), None)
            if problem is None:
                if problems and self._processes.is_main:
                    self._report(f"Damaged: {'; '.join(problems)}. Going on from {str(path)!r}.")
                return path
            problems.append(f"{str(path)!r} ({problem})")
        if problems:
            raise ResumeError(
                f"No checkpoint in {str(self.folder)!r} is whole: {'; '.join(problems)}; delete the folder to begin "
                "this stage again."
            )
        return None

    def _check_fingerprints(self, saved: Mapping[str, str], path: Path) -> None:
        other = [name for name, value in self._fingerprints.items() if saved.get(name) != value]
        if other:
            raise ResumeError(
                f"The checkpoint {str(path)!r} is of a run with other {' and '.join(other)}; use those it was begun "
                "with, or another folder."
            )


def stored_tensors(path: Path) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shape and dtype of everything in a checkpoint, by name."""
    stored = FileSystemReader(path).read_metadata().state_dict_metadata
    return {
        name: (entry.size, entry.properties.dtype)
        for name, entry in stored.items()
        if isinstance(entry, TensorStorageMetadata)
    }


def _background(processes: Processes) -> Processes:
    """The same processes with a group of their own for the writing thread, so that it never mixes with training."""
    if processes.group is None:
        return Processes.alone()
    return Processes(dist.new_group(backend="gloo"), torch.device("cpu"))


def _clean(folder: Path) -> None:
    """What a killed process left behind."""
    for path in folder.glob(".step-*.vistune-old"):
        recover(folder / path.name.removeprefix(".").removesuffix(".vistune-old"))
    for pattern in (writing_folder(folder / "step-*").name, ".step-*.gone", ".step-*.vistune-old"):
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _remove(path: Path) -> None:
    """Out of sight in one step, so that a half deleted one is never seen."""
    gone = path.with_name(f".{path.name}.gone")
    path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _is_best(path: Path) -> bool:
    try:
        return Manifest.read(path).best
    except (OSError, ValueError):
        return False
