"""Writing files so that what stands there is always whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vistune.errors import StorageError, VistuneError, is_disk_full


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to; it takes the place of ``path`` when the block ends well.

    Raises:
        StorageError: a full disk, or a folder that does not allow it. What stood at ``path`` stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
    finally:
        # Its parent may be no folder at all.
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(folder: Path, mark: str) -> Iterator[Path]:
    """A folder beside ``folder`` to write into; it takes the place of ``folder`` when the block ends well.

    Whatever happens before (an exception, Ctrl-C, a full disk), what stood there is untouched and nothing is left over;
    what a killed process left goes the next time.

    Args:
        mark: a file that tells a folder that may be replaced from one that holds something else.

    Raises:
        StorageError: a full disk, a folder that does not allow it, or one that holds something else.
    """
    target = Path(os.path.realpath(folder))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    if target.exists() and not (target / mark).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise StorageError(f"{str(folder)!r} holds something else (no {mark}); choose a new folder or empty this one.")
    try:
        with writing(folder):
            for left in target.parent.glob(f".{target.name}.*.part"):
                if not _is_running(left.name.split(".")[-2]):
                    shutil.rmtree(left, ignore_errors=True)
            part.mkdir(parents=True)
            yield part
            put_in_place(part, target, part.with_name(f"{part.name}.old"))
    finally:
        shutil.rmtree(part, ignore_errors=True)


def put_in_place(new: Path, target: Path, aside: Path) -> None:
    """Rename a folder to ``target``; what stood there goes ``aside`` for that moment, and comes back if it fails.

    What reads the old folder keeps its files: renaming and unlinking leave open ones alive.
    """
    if not target.exists():
        new.rename(target)
        return
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return int(pid) != os.getpid()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Errors of the system while ``path`` is written are told as those of storage.

    Raises:
        StorageError: a full disk, or a folder that does not allow it.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, VistuneError):
            raise
        raise storage_error(path, error) from error


def storage_error(path: Path, error: BaseException) -> StorageError:
    """What to tell a person when ``path`` could not be written."""
    if is_disk_full(error):
        return StorageError(f"There is no room left on the disk to write {str(path)!r}; free some or write elsewhere.")
    reason = (isinstance(error, OSError) and error.strerror) or error
    return StorageError(f"{str(path)!r} cannot be written ({reason}); check the folder and its rights.")
