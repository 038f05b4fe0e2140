"""The folder of a run: what lies where, and whose it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.errors import ResumeError, StorageError, is_disk_full

if TYPE_CHECKING:
    from vistune.train.recipe.load import LoadedRecipe

RUN_FILE = "run.json"
RECIPE_FILE = "recipe.yaml"
SUMMARY_FILE = "summary.md"
MODEL = "model"
BASE = "base"
_FORMAT = 1
# What may differ between the sittings of one run: it changes no number, or only in the last digits.
_FREE = ("title", "source", "out", "log", "parallel")
_FREE_OF_STAGE = (
    "micro_batch_size",
    "save_every",
    "keep",
    "features",
    "compile",
    "checkpoint_activations",
    "tf32",
)


class RunFolder:
    """Paths in the folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def model(self) -> Path:
        """The final model."""
        return self.path / MODEL

    @property
    def base(self) -> Path:
        """What adapters in the final model belong to, where that is no checkpoint by itself."""
        return self.path / BASE

    def stage(self, name: str) -> Path:
        """Log, checkpoints and what else is known of a stage."""
        return self.path / "stages" / name

    def checkpoints(self, name: str) -> Path:
        """A stage's checkpoints."""
        return self.stage(name) / "checkpoints"

    def claim(self, loaded: LoadedRecipe, resume: bool) -> bool:
        """Whether something of this run stands here; a run that never came to a checkpoint counts as none.

        Raises:
            ResumeError: it holds another run, one that is not to be gone on with, or files of something else.
        """
        identity = recipe_identity(loaded)
        if is_run(self.path) and not self._has_progress():
            return False
        if not is_run(self.path):
            if self.path.is_dir() and any(self.path.iterdir()):
                raise ResumeError(
                    f"The folder {str(self.path)!r} holds files but no run; choose another with --out, or empty it."
                )
            return False
        found = read_json_file(self.path / RUN_FILE)
        differing = list(_differences(found.get("identity", {}), identity))
        if differing:
            raise ResumeError(
                f"The folder {str(self.path)!r} holds a run of another recipe ({', '.join(differing[:3])}"
                f"{' and more' if len(differing) > 3 else ''}); choose another folder with --out, or delete it."
            )
        if not resume:
            raise ResumeError(
                f"The folder {str(self.path)!r} holds this run already; go on with --resume, choose another folder "
                "with --out, or delete it."
            )
        return True

    def _has_progress(self) -> bool:
        return any((self.path / "stages").glob("*/checkpoints/step-*"))


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run."""
    return (path / RUN_FILE).is_file()


def recipe_identity(loaded: LoadedRecipe) -> dict[str, Any]:
    """Everything of a recipe that must not change while its run goes on."""
    content: dict[str, Any] = loaded.recipe.model_dump(mode="json", by_alias=True)
    for name in _FREE:
        content.pop(name, None)
    for stage in content["stages"]:
        for name in _FREE_OF_STAGE:
            stage.pop(name, None)
    return content


def digest_of(content: Any) -> str:
    """A short hash of what JSON can hold."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=12).hexdigest()


def write_json_file(path: Path, content: Any) -> None:
    """Write JSON beside its place, then rename.

    Raises:
        StorageError: a full disk, or a folder that cannot be written.
    """
    write_text_file(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text_file(path: Path, text: str) -> None:
    """As :func:`write_json_file`, for text."""
    temporary = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        reason = "the disk is full" if is_disk_full(error) else (error.strerror or str(error))
        raise StorageError(f"Cannot write {str(path)!r} ({reason}); make room or choose another --out.") from error


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object of a run's folder.

    Raises:
        ResumeError: it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResumeError(f"{str(path)!r} is damaged ({error}); delete the run's folder and begin again.") from error
    if not isinstance(content, dict):
        raise ResumeError(f"{str(path)!r} is damaged; delete the run's folder and begin again.")
    return content


def _differences(found: Any, wanted: Any, place: str = "") -> Any:
    """Where two recipes differ, in words."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from _differences(found.get(key), wanted.get(key), f"{place}.{key}" if place else key)
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif found != wanted:
        yield f"{place} {_short(found)} there, {_short(wanted)} here"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 30 else text[:27] + "..."
