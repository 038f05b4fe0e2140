"""TensorBoard and Weights & Biases, where they are installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vistune.errors import RecipeError
from vistune.train.reports.report import Report, StepEntry


class TensorBoard(Report):
    """Curves for ``tensorboard --logdir``.

    Args:
        folder: of the stage; the files lie in ``tensorboard`` below it. every: steps between points.
    """

    def __init__(self, folder: Path, every: int = 1) -> None:
        self._folder = folder / "tensorboard"
        self._every = every
        self._writer: Any = None

    @staticmethod
    def installed() -> bool:
        """Whether there is such a package."""
        return find_spec("tensorboard") is not None

    def begin(self, stage: str, step: int, steps: int) -> None:
        """Open a file; points after ``step`` of files before are hidden by it."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder), purge_step=step + 1)

    def step(self, entry: StepEntry) -> None:
        """Add points."""
        if entry.step % self._every == 0 or entry.step == entry.steps:
            for name, value in scalars(entry).items():
                self._writer.add_scalar(name, value, entry.step)

    def evaluated(self, step: int, figures: Mapping[str, float], best: bool) -> None:
        """Add points."""
        for name, value in figures.items():
            self._writer.add_scalar(f"evaluation/{name}", value, step)

    def close(self) -> None:
        """Write what is pending."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WandB(Report):
    """A run on Weights & Biases.

    Args:
        project: its name. folder: of the stage; local files lie there. config: shown beside the curves.

    Raises:
        RecipeError: the package is not installed.
    """

    def __init__(self, project: str, folder: Path, config: Mapping[str, Any], every: int = 1) -> None:
        if find_spec("wandb") is None:
            raise RecipeError(
                f"The recipe logs to Weights & Biases (log.wandb={project!r}), which is not installed; run "
                "`pip install wandb`, or leave log.wandb out."
            )
        self._project = project
        self._folder = folder
        self._config = dict(config)
        self._every = every
        self._run: Any = None

    def begin(self, stage: str, step: int, steps: int) -> None:
        """Open the run; after a stop the same one goes on."""
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        known = self._folder / "wandb-id.txt"
        name = known.read_text(encoding="utf-8").strip() if step and known.exists() else None
        self._run = wandb.init(
            project=self._project, name=stage, dir=str(self._folder), config=self._config, id=name, resume="allow"
        )
        known.write_text(f"{self._run.id}\n", encoding="utf-8")

    def step(self, entry: StepEntry) -> None:
        """Add points."""
        if entry.step % self._every == 0 or entry.step == entry.steps:
            self._run.log(scalars(entry), step=entry.step)

    def evaluated(self, step: int, figures: Mapping[str, float], best: bool) -> None:
        """Add points."""
        self._run.log({f"evaluation/{name}": value for name, value in figures.items()}, step=step)

    def close(self) -> None:
        """Leave the run."""
        if self._run is not None:
            self._run.finish()
            self._run = None


def scalars(entry: StepEntry) -> dict[str, float]:
    """What is drawn as curves, by name."""
    found = {"loss": entry.loss, "grad_norm": entry.grad_norm}
    if len(entry.parts) > 1:
        found |= {f"loss/{name}": value for name, value in entry.parts.items()}
    found |= {f"sets/{name}": value for name, value in entry.sets.items()}
    found |= {f"lr/{part}": rate for part, rate in entry.rates.items()}
    found |= {
        "speed/samples_per_second": entry.samples_per_second,
        "speed/tokens_per_second": entry.tokens_per_second,
        "speed/waited": entry.waited,
        "memory": float(entry.memory),
    }
    return found
