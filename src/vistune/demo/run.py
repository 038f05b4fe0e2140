"""The demo from start to end: settings, both chains, results, report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vistune.demo.display import Display
from vistune.demo.folders import CHAINS, MODELS, done_file
from vistune.demo.parallel import cores, run_chains
from vistune.demo.plan import DEFAULT_MINUTES, OWN_DATA_MINUTES
from vistune.demo.setup import Settings, claim_folder, make_settings
from vistune.errors import InputError


def run_demo(
    minutes: float | None, out: Path, seed: int = 0, data: Path | None = None, columns: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Tune InstructBLIP and LLaVA, evaluate both beside two baselines, write models, results and report into ``out``.

    Called again with the same arguments it does what is not done yet; the result is that of one undisturbed run.

    Args:
        minutes: time it may take on two cores; sets the numbers of steps and of test rows. None: 6, or 8 with data.
        out: folder; results.json, run.json, report.html, instructblip/, llava/, pictures/ (some of
            the test, to ask about) and work/ are written there.
        seed: of scenes, fresh weights and the order of samples.
        data: a folder for vistune.data.sources.table.read_table instead of the picture world. columns: its names.

    Returns:
        The content of results.json.

    Raises:
        InputError, DataError, ResumeError, StorageError, TrainingError: one sentence on what is wrong.
        Interrupted: stopped on request, with everything saved.
    """
    if minutes is None:
        minutes = DEFAULT_MINUTES if data is None else OWN_DATA_MINUTES
    if not (math.isfinite(minutes) and minutes > 0):
        raise InputError(f"minutes is {minutes}; expected a number above 0.")
    if not 0 <= seed < 2**31:
        raise InputError(f"seed is {seed}; expected 0 to {2**31 - 1}.")
    settings = make_settings(minutes, seed, data, columns)
    going_on = claim_folder(out, settings)
    with Display(CHAINS) as display:
        display.line(f"{'Going on in' if going_on else 'Writing to'} {out}; {_describe(settings)}")
        run_chains([chain for chain in CHAINS if not done_file(out, chain).exists()], settings, out, display.event)
        display.line("Writing the report")
        # Imported here, with torch: the workers start sooner.
        from vistune.demo.finish import finish

        results = finish(settings, out)
    for name in MODELS:
        print(_summary(name, results[name]))
    question = f'vistune ask {out / "llava"} {out / "pictures" / "1.png"} "What is in the picture?"'
    print(f"Report: {out / 'report.html'}\nAsk:    {question}")
    return results


def _describe(settings: Settings) -> str:
    source = "the picture world" if settings.data is None else f"the pictures in {settings.data}"
    return f"{source}, plan for {settings.minutes:g} minutes on two cores ({cores()} here), seed {settings.seed}"


def _summary(name: str, result: Mapping[str, Any]) -> str:
    parts = [
        f"{role.replace('_', '-')} {result[role]:.3f}" for role in ("held_in", "held_out") if result[role] is not None
    ]
    return f"{name}: {', '.join(parts)} by ranking"
