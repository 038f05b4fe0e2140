"""run.json: what a run is, what it was made with, and every sitting of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vistune.train.run.folder import RUN_FILE, RunFolder, read_run_file, recipe_identity, write_json_file
from vistune.train.run.provenance import command_line, git_state, machine, versions

if TYPE_CHECKING:
    from vistune.train.parallel.processes import Processes
    from vistune.train.recipe.load import LoadedRecipe

_FORMAT = 1


class Record:
    """The record of a run; only the main process writes it."""

    def __init__(self, folder: RunFolder, writes: bool) -> None:
        self._folder = folder
        self._writes = writes
        self._content: dict[str, Any] = {}
        self._begun = time.monotonic()

    def begin(self, loaded: LoadedRecipe, processes: Processes, command: Sequence[str] | None, goes_on: bool) -> None:
        """A sitting begins, the first one or another."""
        if goes_on:
            self._content = read_run_file(self._folder.path / RUN_FILE)
        else:
            self._content = {
                "format": _FORMAT,
                "recipe": loaded.name,
                "title": loaded.recipe.title,
                "overrides": list(loaded.overrides),
                "seed": loaded.recipe.seed,
                "identity": recipe_identity(loaded.recipe),
                "stages": {},
                "sittings": [],
                "finished": None,
            }
        sitting = {
            "begun": _now(),
            "command": command_line(command),
            "versions": versions(),
            "git": git_state(),
            "machine": machine(processes),
            "parallel": loaded.recipe.parallel,
        }
        self._content["sittings"].append(sitting)
        self._write()

    def stage(self, name: str, known: Mapping[str, Any]) -> None:
        """What is known of a stage before it trains."""
        self._content["stages"][name] = {**self._content["stages"].get(name, {}), **known}
        self._write()

    def has_model(self) -> bool:
        """Whether the run came to its end before."""
        return self._content.get("finished") is not None

    def end(self) -> None:
        """The run is finished."""
        self._content["sittings"][-1]["seconds"] = round(time.monotonic() - self._begun, 1)
        self._content["finished"] = self._content["finished"] or _now()
        self._write()

    def _write(self) -> None:
        if self._writes:
            write_json_file(self._folder.path / RUN_FILE, self._content)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
