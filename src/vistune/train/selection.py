"""Which of the checkpoints measured so far is best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vistune.errors import RecipeError


class Best:
    """The best value of a metric so far, and its step.

    Args:
        metric: one of the figures measured; "loss" is better the lower, everything else the higher.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.value: float | None = None
        self.step: int | None = None

    def add(self, step: int, figures: Mapping[str, float]) -> bool:
        """Whether these are the best figures so far; the first of equal ones stays.

        Raises:
            RecipeError: the metric was not measured.
        """
        if self.metric not in figures:
            raise RecipeError(
                f"The best checkpoint is chosen by {self.metric!r}, but measured were {', '.join(figures) or 'none'}; "
                "name one of these as evaluate.metric."
            )
        value = float(figures[self.metric])
        if not math.isfinite(value):
            return False
        better = self.value is None or (value < self.value if self.metric == "loss" else value > self.value)
        if better:
            self.value, self.step = value, step
        return better

    def state_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"value": self.value, "step": self.step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.value, self.step = state["value"], state["step"]
