"""Samples as long as those of InstructBLIP's balanced held-in mixture, of made-up words."""

from __future__ import annotations

import random
from pathlib import Path

import yaml
from common import WORDS

from vistune.data.mixture import Mixture

HELD_IN: dict[str, list[int]] = yaml.safe_load((Path(__file__).parent / "held_in.yaml").read_text(encoding="utf-8"))


def held_in_texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(prompt, answer) of the first samples of the mixture, one token a word (common.word_tokenizer).

    Lengths are log-normal around the means of held_in.yaml.
    """
    draw = random.Random(seed)
    means = list(HELD_IN.values())
    mixture = Mixture({name: size for name, (size, _, _) in HELD_IN.items()}, seed=seed)

    def words(mean: int, spread: float) -> str:
        number = max(1, round(mean * draw.lognormvariate(-(spread**2) / 2, spread)))
        return " ".join(f"w{draw.randrange(WORDS)}" for _ in range(min(number, 400)))

    found = []
    for number in range(count):
        _, prompt, answer = means[mixture.draw(number).set]
        found.append((words(prompt, 0.4), words(answer, 0.5)))
    return found
