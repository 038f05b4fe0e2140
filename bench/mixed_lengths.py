"""Samples as long as those of InstructBLIP's balanced held-in mixture, of made-up words."""

from __future__ import annotations

import random

from common import WORDS

from vistune.data.mixture import Mixture

# Number of samples, and mean tokens of prompt and answer: sizes as in the paper, lengths estimated from templates and
# typical rows, log-normal around their means.
HELD_IN = {
    "coco_caption": (566_747, 11, 12),
    "web_capfilt": (14_000_000, 11, 12),
    "textcaps": (109_765, 35, 15),
    "vqav2": (443_757, 18, 3),
    "okvqa": (9_009, 20, 3),
    "aokvqa": (17_056, 45, 3),
    "ocrvqa": (801_579, 40, 6),
    "vqg_vqav2": (443_757, 18, 9),
    "vqg_okvqa": (9_009, 18, 11),
    "vqg_aokvqa": (17_056, 40, 12),
    "llava_detail": (23_000, 20, 130),
    "llava_reasoning": (77_000, 25, 140),
    "llava_conversation": (58_000, 30, 80),
}


def held_in_texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(prompt, answer) of the first samples of the mixture, one token a word (common.word_tokenizer)."""
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
