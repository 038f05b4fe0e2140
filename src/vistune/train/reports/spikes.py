"""Losses that stand out, with the samples they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from vistune.data.storage import storage_error
from vistune.train.reports.json_log import cut_back

SPIKES_FILE = "spikes.jsonl"
_WINDOW = 64
_FIRST = 16
# Of the usual distance from the median, and of the median itself.
_DISTANCES, _SHARE = 8.0, 0.5


@dataclass(frozen=True)
class SampleLoss:
    """A sample of a step: its name, data set, place in the set, and mean loss over its learned tokens (if known)."""

    id: str
    set: str
    index: int
    loss: float | None


class SpikeWatch:
    """Compares each loss with the last ones: a spike lies far above their median, by their usual distance from it."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self.count = 0

    def add(self, loss: float) -> float | None:
        """Look at the loss of a step; the median it stands out from, or None if it does not."""
        middle = self._spike(loss)
        self.count += middle is not None
        self._losses = [*self._losses[1 - _WINDOW :], loss]
        return middle

    def _spike(self, loss: float) -> float | None:
        if len(self._losses) < _FIRST:
            return None
        middle = median(self._losses)
        usual = median(abs(other - middle) for other in self._losses)
        return middle if loss - middle > max(_DISTANCES * usual, _SHARE * abs(middle)) else None

    def state_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"losses": self._losses, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._losses, self.count = list(state["losses"]), int(state["count"])


class SpikeLog:
    """``spikes.jsonl`` in the stage's folder; begun when there is a first one."""

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / SPIKES_FILE
        cut_back(self._path, step)

    def write(self, step: int, loss: float, middle: float, samples: Sequence[SampleLoss]) -> str:
        """Append a spike, its worst samples first; a sentence about it.

        Raises:
            StorageError: the disk is full.
        """
        ordered = sorted(samples, key=lambda sample: -(sample.loss or 0.0))
        entry = {"step": step, "loss": loss, "median": middle, "samples": [asdict(sample) for sample in ordered]}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise storage_error(self._path, error) from error
        worst = ", ".join(f"{sample.id} of {sample.set}" for sample in ordered[:3])
        return (
            f"the loss of step {step:,} is {loss:.4g}, the last ones were about {middle:.4g}; its worst samples: "
            f"{worst} (all in {SPIKES_FILE})"
        )
