"""How long the caption metrics take on a corpus of the size of COCO's validation set, on one core.

    OMP_NUM_THREADS=1 python bench/metrics.py [--pictures 40000] [--references 5]

Captions are made up: words with the frequencies of a natural language, lengths like COCO's. Goal: CIDEr of 40,000
captions with 5 references each in under 20 seconds, tokenising timed apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from vistune.evaluate.metrics import vqa_accuracy
from vistune.evaluate.metrics.captions import (
    bleu_of_tokens,
    cider_of_tokens,
    rouge_l_of_tokens,
    tokenize_captions,
)

T = TypeVar("T")
VOCABULARY = 12_000
ENDINGS = (".", "", ".", "'s hat.", ", too.", " in a T-shirt.")


def captions(number: int, rng: np.random.Generator) -> list[str]:
    """Made-up captions of 5 to 15 words, drawn by Zipf's law."""
    shares = 1 / np.arange(1, VOCABULARY + 1)
    drawn = rng.choice(VOCABULARY, size=(number, 15), p=shares / shares.sum())
    lengths = rng.integers(5, 16, size=number)
    return [
        " ".join(f"w{_letters(word)}" for word in row[:length]) + ENDINGS[length % len(ENDINGS)]
        for row, length in zip(drawn.tolist(), lengths.tolist(), strict=True)
    ]


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(3))


def timed(name: str, function: Callable[[], T]) -> T:
    """Run once and print the seconds of the processor: what else the machine does is not counted."""
    start = time.process_time()
    result = function()
    print(f"{name:<32}{time.process_time() - start:8.2f} s")
    return result


def main() -> None:
    """Time every part once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=40_000)
    parser.add_argument("--references", type=int, default=5)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    predictions = captions(arguments.pictures, rng)
    texts = captions(arguments.pictures * arguments.references, rng)
    each = arguments.references
    references = [texts[start : start + each] for start in range(0, len(texts), each)]
    print(f"{arguments.pictures:,} captions, {each} references each, made up by chance")
    tokens = timed("tokenise", lambda: tokenize_captions(predictions, references))
    score = timed("CIDEr", lambda: cider_of_tokens(tokens))
    timed("  interval, 1,000 resamples", score.interval)
    score = timed("BLEU", lambda: bleu_of_tokens(tokens))
    timed("  interval, 1,000 resamples", score.interval)
    timed("ROUGE-L", lambda: rouge_l_of_tokens(tokens))
    answers = [[text.split()[0] for text in row] * 2 for row in references]
    timed("VQA accuracy, 10 answers each", lambda: vqa_accuracy([row[0] for row in answers], answers))


if __name__ == "__main__":
    main()
