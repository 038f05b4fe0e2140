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
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if isinstance(error, VistuneError):
            raise
        raise storage_error(path, error) from error
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
        for left in target.parent.glob(f".{target.name}.*.part"):
            if not _is_running(left.name.split(".")[-2]):
                shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        _swap(part, target)
    except OSError as error:
        if isinstance(error, VistuneError):
            raise
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _swap(part: Path, target: Path) -> None:
    if not target.exists():
        part.rename(target)
        return
    # What reads the old folder keeps its files: renaming and unlinking leave open ones alive.
    old = part.with_name(f"{part.name}.old")
    target.rename(old)
    try:
        part.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return int(pid) != os.getpid()


def storage_error(path: Path, error: BaseException) -> StorageError:
    """What to tell a person when ``path`` could not be written."""
    if is_disk_full(error):
        return StorageError(f"There is no room left on the disk to write {str(path)!r}; free some or write elsewhere.")
    return StorageError(f"{str(path)!r} cannot be written ({error}); check the folder and its rights.")
