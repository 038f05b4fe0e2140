"""InstructBLIP's 13 held-in sets as lengths of samples: what mixtures and packing are tested on."""

from __future__ import annotations

import random

from vistune.data.mixture import Mixture
from vistune.data.packing import Length

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
SIZES = {name: size for name, (size, _, _) in HELD_IN.items()}
QUERIES = 32


def held_in_lengths(count: int, encoder_decoder: bool = False) -> list[Length]:
    """Lengths of the first samples of the balanced mixture."""
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
