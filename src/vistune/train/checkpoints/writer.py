"""Writing one checkpoint: every process its own file, one of them the rest; whole at the end or not there."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save

from vistune.checkpoint.atomic import swap_in, sync_tree
from vistune.errors import StorageError, is_disk_full
from vistune.train.checkpoints.files import EXTRA, FileSum, Manifest, sums
from vistune.train.parallel.processes import Processes

T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """What a checkpoint holds: tensors in ordinary memory, and ``extra`` as JSON."""

    step: int
    tensors: Mapping[str, Tensor]
    extra: str
    best: bool


def write_checkpoint(target: Path, content: Content, peers: Processes) -> None:
    """Write beside, sync, rename. Collective; all processes see one file system.

    Raises:
        StorageError: on every process, if one of them could not write. What stood in ``target`` is whole.
    """
    new = writing_folder(target)
    try:
        _together(peers, lambda: _prepare(new, content.extra) if peers.is_main else None, target)
        _save_tensors(new, content.tensors, peers, target)
        parts = _together(peers, lambda: _own_sums(new, peers.rank), target)
        _together(peers, lambda: _finish(new, target, content, parts) if peers.is_main else None, target)
    except StorageError:
        if peers.is_main:
            shutil.rmtree(new, ignore_errors=True)
        raise


def writing_folder(target: Path) -> Path:
    """Where a checkpoint grows until it is whole."""
    return target.with_name(f".{target.name}.new")


def _prepare(new: Path, extra: str) -> None:
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / EXTRA).write_text(extra, encoding="utf-8")


def _save_tensors(new: Path, tensors: Mapping[str, Tensor], peers: Processes, target: Path) -> None:
    writer = FileSystemWriter(new, sync_files=False)
    warnings.filterwarnings("ignore", message="torch.distributed is disabled")
    try:
        save(dict(tensors), storage_writer=writer, process_group=peers.group, no_dist=peers.group is None)
    except CheckpointException as error:
        # It holds the error of every process that had one; a full disk tells more than what follows from it.
        causes = [cause for cause, _ in error.failures.values()]
        raise _storage_error(next((c for c in causes if is_disk_full(c)), causes[0]), target) from error


def _own_sums(new: Path, rank: int) -> dict[str, FileSum]:
    """Of the files that this process wrote, once they are on the disk."""
    names = [path.name for path in new.iterdir() if path.name.startswith(f"__{rank}_")]
    if rank == 0:
        names += [".metadata", EXTRA]
    for name in names:
        with (new / name).open("rb") as file:
            os.fsync(file.fileno())
    return sums(new, names)


def _finish(new: Path, target: Path, content: Content, parts: list[dict[str, FileSum]]) -> None:
    files = {name: entry for part in parts for name, entry in part.items()}
    Manifest(content.step, content.best, files).write(new)
    sync_tree(new)
    swap_in(new, target)
    # A checkpoint of this step from before, if there was one, is now what lies here.
    shutil.rmtree(new, ignore_errors=True)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _together(peers: Processes, work: Callable[[], T], target: Path) -> list[T]:
    """What ``work`` returns on each process; an error of one is an error of all."""
    result: T | None = None
    problem: StorageError | None = None
    try:
        result = work()
    except OSError as error:
        problem = _storage_error(error, target)
    outcomes: list[Any] = peers.collect((result, None if problem is None else str(problem)))
    for _, message in outcomes:
        if message is not None:
            raise StorageError(message) from problem
    return [value for value, _ in outcomes]


def _storage_error(error: BaseException, target: Path) -> StorageError:
    reason = "the disk is full" if is_disk_full(error) else str(error) or type(error).__name__
    return StorageError(
        f"Cannot write the checkpoint {str(target)!r} ({reason}); make room or choose another folder; "
        "what was saved before is whole."
    )
