"""Pretraining of the packaged starting points: two image encoders and a language model. `vistune world pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vistune.world.pretrain.settings import PretrainSettings


def run(
    out: Path | str | None = None,
    seed: int = 0,
    settings: PretrainSettings | None = None,
    quiet: bool = False,
    questions_per_probe: int = 200,
) -> Path:
    """Makes all starting points and returns their folder (`out`, or the one inside the package).

    What stands in the folder stays whole until the new parts are ready. Every part is measured by
    `questions_per_probe` validation questions a task (encoders: twenty times as many pictures). Takes under 40 minutes
    on two cores with the usual settings; the encoders and the language model train side by side, one thread each.
    """
    from vistune.world.assets import ROOT
    from vistune.world.pretrain.pipeline import pretrain

    return pretrain(Path(out) if out is not None else ROOT, seed, settings, quiet, questions_per_probe)
