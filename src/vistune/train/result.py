"""What became of a stage: written when its last step is saved, so that it also says that the stage is finished."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vistune.data.counting import count_of
from vistune.data.storage import written_whole
from vistune.errors import ResumeError

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class StageResult:
    """A finished stage.

    Args:
        stage: its name. steps: how many. loss: mean of the last steps (a twentieth of all). samples, tokens: learned
            from, all processes. seconds: of training, all sittings; of these, seconds_lost were spent on saving and
            logging and seconds_waited on data.
        metric, best, best_step: what the best checkpoint is best by, its value and step; None: nothing was measured.
        bad_rows: samples that were left out. spikes: steps whose loss stood out.
    """

    stage: str
    steps: int
    loss: float
    samples: int
    tokens: int
    seconds: float
    seconds_lost: float
    seconds_waited: float
    metric: str | None = None
    best: float | None = None
    best_step: int | None = None
    bad_rows: int = 0
    spikes: int = 0

    def summary(self) -> str:
        """A line for people."""
        minutes, seconds = divmod(round(self.seconds), 60)
        pace = self.samples / max(self.seconds, 1e-9)
        words = [
            f"{self.stage}: {count_of(self.steps, 'step')} in {minutes}:{seconds:02d}",
            f"{count_of(self.samples, 'sample')} ({pace:,.1f} a second)",
            f"last loss {self.loss:.4g}",
        ]
        if self.best is not None:
            words.append(f"best {self.metric} {self.best:.4g} after step {self.best_step:,}")
        words += [f"{count_of(self.bad_rows, 'sample')} left out"] if self.bad_rows else []
        words += [count_of(self.spikes, "loss spike")] if self.spikes else []
        return ", ".join(words)

    def write(self, folder: Path) -> None:
        """Into the stage's folder."""
        with written_whole(folder / RESULT_FILE) as part:
            part.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_result(folder: Path) -> StageResult | None:
    """The result of the stage in this folder; None where it is not finished.

    Raises:
        ResumeError: it is damaged.
    """
    path = folder / RESULT_FILE
    if not path.exists():
        return None
    try:
        return StageResult(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ResumeError(
            f"{str(path)!r} is damaged ({error}); delete it, and the stage is finished from its last checkpoint."
        ) from error
