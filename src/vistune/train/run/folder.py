"""The folder of a run: what lies where, and whose it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.storage import written_whole
from vistune.errors import ResumeError

if TYPE_CHECKING:
    from vistune.train.recipe.load import LoadedRecipe
    from vistune.train.recipe.recipe import Recipe

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
        identity = recipe_identity(loaded.recipe)
        if self.path.exists() and not self.path.is_dir():
            raise ResumeError(f"{str(self.path)!r} is a file; choose a folder with --out.")
        if is_run(self.path) and not self._has_progress():
            return False
        if not is_run(self.path):
            if self.path.is_dir() and any(self.path.iterdir()):
                raise ResumeError(
                    f"The folder {str(self.path)!r} holds files but no run; choose another with --out, or empty it."
                )
            return False
        found = read_run_file(self.path / RUN_FILE)
        differing = list(_differences(_with_defaults(found["identity"]), identity))
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


def recipe_identity(recipe: Recipe) -> dict[str, Any]:
    """Everything of a recipe that must not change while its run goes on."""
    content: dict[str, Any] = recipe.model_dump(mode="json", by_alias=True)
    for name in _FREE:
        content.pop(name, None)
    for stage in content["stages"]:
        for name in _FREE_OF_STAGE:
            stage.pop(name, None)
    return content


def _with_defaults(identity: Any) -> Any:
    """With settings that there were not yet when the run began; as it is, if others are no more."""
    from pydantic import ValidationError

    from vistune.train.recipe.recipe import Recipe

    try:
        return recipe_identity(Recipe.model_validate(identity))
    except ValidationError:
        return identity


def digest_of(content: Any) -> str:
    """A short hash of what JSON can hold."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=12).hexdigest()


def write_json_file(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all.

    Raises:
        StorageError: a full disk, or a folder that cannot be written.
    """
    write_text_file(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text_file(path: Path, text: str) -> None:
    """As :func:`write_json_file`, for text."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def read_run_file(path: Path) -> dict[str, Any]:
    """The content of run.json.

    Raises:
        ResumeError: it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResumeError(f"{str(path)!r} is damaged ({error}); delete the run's folder and begin again.") from error
    if not isinstance(content, dict) or "identity" not in content:
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
