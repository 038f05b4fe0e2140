"""The mistakes and accidents that vistune tells a person about.

Every message is one sentence that names the value that was found, what was expected, and what to do about it; the
command line prints it as it is. Anything that is not a `VistuneError` is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno

_DISK_FULL_WORDS = ("no space left on device", "os error 28", "disk quota exceeded")


class VistuneError(Exception):
    """Base of everything vistune raises on purpose."""


class CheckpointError(VistuneError):
    """A checkpoint cannot be found, read or understood: a missing folder, a broken shard, keys that do not fit."""


class ImageError(VistuneError, ValueError):
    """A picture cannot be used: missing, unreadable, empty, or far too large.

    Args:
        ref: the picture as it was given, where one of several is at fault; None where that is not known.
    """

    def __init__(self, message: str, ref: object = None) -> None:
        super().__init__(message)
        self.ref = ref


class InputError(VistuneError, ValueError):
    """An argument has a value that cannot work: a prompt, candidates, the number of images, a dtype, a device."""


class DataError(VistuneError, ValueError):
    """A data set cannot be used: a missing file or column, a row that does not parse, a split without rows."""


class RecipeError(VistuneError, ValueError):
    """A run's settings contradict each other or the model they are meant for."""


class ResumeError(VistuneError):
    """A run cannot go on from what stands in its folder: it was made with other settings, or its state is damaged."""


class StorageError(VistuneError, OSError):
    """A file could not be written: a full disk, a folder that does not allow it. What stood there before is whole."""


class JudgeError(VistuneError):
    """A model that judges answers cannot be asked, or says nothing that can be used.

    Args:
        status: of the HTTP answer, if there was one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TrainingError(VistuneError):
    """Training cannot go on: a loss that is not finite, a worker that died."""


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error, or what caused it, is a full disk; safetensors and torch report it in words only."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if any(words in str(error).lower() for words in _DISK_FULL_WORDS):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_disk_full(cause)
