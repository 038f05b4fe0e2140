"""What one run of the demo is: its settings, kept in its folder, and the experiment and plan they come to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vistune.data.sources.table import COLUMNS, Table, read_table
from vistune.demo.plan import Plan, plan_for, plan_for_table
from vistune.errors import ResumeError

if TYPE_CHECKING:
    from vistune.demo.experiment import Experiment, Tests

SETTINGS_FILE = "settings.json"
_TASK = "own data"


@dataclass(frozen=True)
class Settings:
    """Arguments of a run. ``data`` is a folder, or None for the picture world; ``fingerprint`` is that of its rows."""

    minutes: float
    seed: int
    data: str | None = None
    columns: dict[str, str] = field(default_factory=lambda: dict(COLUMNS))
    fingerprint: str | None = None

    def plan(self) -> Plan:
        """How much is done."""
        return plan_for(self.minutes) if self.data is None else plan_for_table(self.minutes)

    def experiment(self) -> Experiment:
        """What is learned from and tested on; reads the data again."""
        from vistune.demo.experiment import table_experiment, world_experiment

        if self.data is None:
            return world_experiment(self.plan(), self.seed)
        return table_experiment(read_table(Path(self.data), self.columns, _TASK), self.plan(), self.seed)

    def tests(self) -> Tests:
        """Only what is tested on."""
        from vistune.demo.experiment import table_tests, world_tests

        if self.data is None:
            return world_tests(self.plan(), self.seed)
        return table_tests(read_table(Path(self.data), self.columns, _TASK), self.plan(), self.seed)


def make_settings(minutes: float, seed: int, data: Path | None, columns: Mapping[str, str] | None) -> Settings:
    """Settings of these arguments.

    Raises:
        DataError: the data cannot be used.
    """
    if data is None:
        return Settings(minutes, seed)
    names = {**COLUMNS, **(columns or {})}
    table = read_table(data, names, _TASK)
    return Settings(minutes, seed, str(data.resolve()), names, _fingerprint(table))


def claim_folder(out: Path, settings: Settings) -> bool:
    """Make the run's folder, or find that it is the same run's; True if something stood there.

    Raises:
        ResumeError: the folder holds a run with other settings or data.
    """
    path = out / "work" / SETTINGS_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
        return False
    found = json.loads(path.read_text(encoding="utf-8"))
    wanted = asdict(settings)
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing:
        words = ", ".join(f"{name} {found.get(name)!r} instead of {wanted[name]!r}" for name in differing)
        raise ResumeError(
            f"The folder {str(out)!r} holds a run with other settings ({words}); choose another --out, or delete it."
        )
    return True


def _fingerprint(table: Table) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for example in (*table.train, *table.test):
        digest.update(f"{example.id}\t{example.instruction}\t{example.target}\t{example.images}\n".encode())
    return digest.hexdigest()
