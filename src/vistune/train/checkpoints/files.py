"""The files of a checkpoint: a folder ``step-00000100`` and the manifest in it, which is written last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

MANIFEST, EXTRA = "manifest.json", "extra.json"
FORMAT = 1
_NAME = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class FileSum:
    """A file's size and BLAKE2b hash."""

    bytes: int
    blake2b: str


@dataclass(frozen=True)
class Manifest:
    """What a whole checkpoint consists of."""

    step: int
    best: bool
    files: dict[str, FileSum]

    def write(self, folder: Path) -> None:
        """Put it beside the files, with its own hash."""
        files = {name: asdict(entry) for name, entry in sorted(self.files.items())}
        content = {"format": FORMAT, "step": self.step, "best": self.best, "files": files}
        text = json.dumps({**content, "blake2b": _hash_of(content)}, indent=1)
        (folder / MANIFEST).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """From a folder.

        Raises:
            OSError: it is not there. ValueError: it is not what was written, or of another version of vistune.
        """
        text = (folder / MANIFEST).read_bytes()
        try:
            content = json.loads(text)
            whole = content.pop("blake2b") == _hash_of(content)
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise ValueError(f"its {MANIFEST} is not what was written")
        if content["format"] != FORMAT:
            raise ValueError(f"its {MANIFEST} has format {content['format']}, this version of vistune reads {FORMAT}")
        files = {name: FileSum(**entry) for name, entry in content["files"].items()}
        return cls(int(content["step"]), bool(content["best"]), files)


def step_folder(folder: Path, step: int) -> Path:
    """The place of a step's checkpoint."""
    return folder / f"step-{step:08d}"


def steps_in(folder: Path) -> dict[int, Path]:
    """Checkpoints that are there, whole or not, the oldest first."""
    found = {}
    for path in folder.glob("step-*"):
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir():
            found[int(match.group(1))] = path
    return dict(sorted(found.items()))


def sums(folder: Path, names: Iterable[str]) -> dict[str, FileSum]:
    """Sizes and hashes of files."""
    return {name: sum_of(folder / name) for name in names}


def sum_of(path: Path) -> FileSum:
    """Size and hash of one file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        return FileSum(file.tell(), digest.hexdigest())


def problem_of(folder: Path, part: int = 0, parts: int = 1) -> str | None:
    """What is wrong with a checkpoint, None if nothing is.

    Args:
        part, parts: look only at every ``parts``-th file, so that several processes share the reading.
    """
    try:
        manifest = Manifest.read(folder)
        for name in sorted(manifest.files)[part::parts]:
            if sum_of(folder / name) != manifest.files[name]:
                return f"its file {name!r} is not what was written"
    except OSError as error:
        return f"{Path(error.filename or folder).name!r} cannot be read: {error.strerror or error}"
    except ValueError as error:
        return str(error)
    return None


def _hash_of(content: object) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()
