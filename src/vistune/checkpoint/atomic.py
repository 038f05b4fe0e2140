"""Writing a whole folder or nothing: beside the old one, synced to the disk, then swapped in by renames."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vistune.data.storage import put_in_place
from vistune.errors import StorageError, VistuneError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def _writing(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.vistune-new-{os.getpid()}"


def _previous(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.vistune-old"


@contextmanager
def replace_folder(folder: str | Path, keep: Callable[[str], bool], expected_bytes: int = 0) -> Iterator[Path]:
    """A new folder to write into, which becomes ``folder`` when the block ends well.

    Until then what stood there is untouched, whatever happens: an exception, Ctrl-C, a full disk, a killed process. A
    model that was loaded from the old folder and is memory-mapped keeps its files, because renaming leaves them alive.

    Args:
        folder: the final place, new or existing.
        keep: for the name of each entry of the existing folder, whether it is carried over (files of other programs).
        expected_bytes: what will be written; refused at once if the disk has less.

    Raises:
        StorageError: the disk is full or does not allow the write. The old folder is whole.
    """
    target = Path(os.path.realpath(Path(folder).expanduser()))
    new = _writing(target)
    if target.exists() and not target.is_dir():
        raise StorageError(
            f"Cannot write a checkpoint folder to {str(folder)!r}: a file of that name exists; move it away."
        )
    try:
        recover(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        free = _free_bytes(target.parent)
        if expected_bytes > free:
            raise StorageError(
                f"Cannot write the checkpoint {str(folder)!r}: it takes {size_text(expected_bytes)} and the disk has "
                f"{size_text(free)} free; make room or choose another disk."
            )
        new.mkdir()
        if target.exists():
            shutil.copymode(target, new)
        yield new
        _carry_over(target, new, keep)
        sync_tree(new)
        swap_in(new, target)
    except VistuneError:
        raise
    except Exception as error:
        told = _storage_error(error, folder)
        if told is None:
            raise
        raise told from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def recover(folder: Path) -> None:
    """Put the previous folder back if a process died between the two renames of a swap."""
    previous = _previous(Path(os.path.realpath(folder)))
    if previous.is_dir() and not folder.exists():
        previous.rename(previous.parent / Path(os.path.realpath(folder)).name)


def _remove_leftovers(target: Path) -> None:
    """Folders of writers that were killed; those of living processes are theirs."""
    for path in target.parent.glob(f".{target.name}.vistune-new-*"):
        pid = path.name.rpartition("-")[2]
        if not pid.isdigit() or int(pid) == os.getpid() or not _is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)
    if target.exists():
        shutil.rmtree(_previous(target), ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _carry_over(old: Path, new: Path, keep: Callable[[str], bool]) -> None:
    """Hard links cost no space and keep open files (a training log) the same files."""
    if not old.is_dir():
        return
    for entry in old.iterdir():
        if not keep(entry.name) or (new / entry.name).exists():
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(new / entry.name))


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, destination, follow_symlinks=False)


def sync_tree(folder: Path) -> None:
    """Contents before names: a crash of the machine after the swap must not find empty files."""
    for root, _, names in os.walk(folder):
        for path in [*(os.path.join(root, name) for name in names), root]:
            if os.path.islink(path):
                continue
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def swap_in(new: Path, target: Path) -> None:
    """Put ``new`` in the place of ``target``; afterwards ``new`` is gone or holds what was replaced."""
    if target.exists() and _exchange(new, target):
        return
    # Without an exchange there is a moment with nothing under the final name; recover() heals a death in it.
    put_in_place(new, target, _previous(target))


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step of the file system (Linux renameat2); False where that does not exist."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    current_folder, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    done: int = rename(current_folder, os.fsencode(first), current_folder, os.fsencode(second), exchange)
    return done == 0


def _storage_error(error: Exception, folder: str | Path) -> StorageError | None:
    """The error as one sentence if it is about the disk; writers in Rust only give a text with the error number."""
    number = getattr(error, "errno", None)
    if number in _FULL or "os error 28" in str(error) or "No space left" in str(error):
        return StorageError(
            f"Cannot write the checkpoint {str(folder)!r}: the disk is full; make room or choose another disk, "
            "what stood there before is whole."
        )
    if isinstance(error, OSError):
        return StorageError(
            f"Cannot write the checkpoint {str(folder)!r} ({error.strerror or error}); choose a folder that can "
            "be written and renamed, what stood there before is whole."
        )
    return None


def size_text(size: int) -> str:
    """Bytes for people: '3.2 GB', in powers of 1,000."""
    value = float(size)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return ""
