"""InstructBLIP's 13 held-in sets as lengths of samples: what mixtures and packing are tested on."""

from __future__ import annotations

import random
from pathlib import Path

import yaml

from vistune.data.mixture import Mixture
from vistune.data.packing import Length

_FILE = Path(__file__).resolve().parents[1] / "bench" / "held_in.yaml"
HELD_IN: dict[str, list[int]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
SIZES = {name: size for name, (size, _, _) in HELD_IN.items()}
QUERIES = 32


def held_in_lengths(count: int, encoder_decoder: bool = False) -> list[Length]:
    """Lengths of the first samples of the balanced mixture, log-normal around the means."""
    draw = random.Random(0)
    means = list(HELD_IN.values())
    mixture = Mixture(SIZES)
    found = []
    for number in range(count):
        _, prompt, answer = means[mixture.draw(number).set]
        given = QUERIES + 1 + round(prompt * draw.lognormvariate(-0.08, 0.4))
        target = 1 + min(250, round(answer * draw.lognormvariate(-0.125, 0.5)))
        found.append(Length(given, target) if encoder_decoder else Length(given + target))
    return found
