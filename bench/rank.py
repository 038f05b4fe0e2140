"""Vocabulary ranking beside the published algorithm, on random weights, with the scores checked equal.

    python bench/rank.py [--candidates 1000] [--repeats 3] [--json]

Published (LAVIS predict_class; InstructBLIP section 2.5): the image and the Q-Former run once; a decoder-only model
then reads prompt and candidate anew for every candidate, in batches of 64; an encoder-decoder reads the prompt once and
repeats its encoder states for every candidate of a batch.
"""

from __future__ import annotations

import argparse
import json
import random
from typing import Any

import torch
from common import WORDS, instructblip, medians
from PIL import Image

from vistune.infer.predictor import Predictor
from vistune.model.losses import IGNORE

PROMPT = "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 w20"
BATCH = 64


def answers(count: int, seed: int = 0) -> list[str]:
    """Different answers of 1 to 4 words, their words distributed as 1/rank."""
    draw = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(WORDS)]
    found: dict[str, None] = {}
    while len(found) < count:
        words = draw.choices(range(WORDS), weights, k=draw.choice([1, 2, 2, 3, 3, 4]))
        found[" ".join(f"w{word}" for word in words)] = None
    return list(found)


@torch.inference_mode()
def published(predictor: Predictor, image: Image.Image, candidates: list[str]) -> list[float]:
    """Scores the way of the paper's code, as sums of log-probabilities."""
    model, processor = predictor.model, predictor.processor
    prompt = processor.encode([image], [PROMPT])
    embeds = model.embed_inputs(**prompt.embedding_inputs())
    closing = processor.encoder_decoder
    ids = [processor.target_ids(candidate, closing) for candidate in candidates]
    score = _score_encoder_decoder if closing else _score_decoder_only
    encoded = None
    if closing:
        encoded = model.language.model.get_encoder()(inputs_embeds=embeds).last_hidden_state
    longest = max(len(row) for row in ids)
    scores: list[float] = []
    for start in range(0, len(ids), BATCH):
        rows = ids[start : start + BATCH]
        targets = torch.full((len(rows), longest), IGNORE)
        for index, row in enumerate(rows):
            targets[index, : len(row)] = torch.tensor(row)
        scores += score(model.language, embeds, encoded, targets)
    return scores


def _score_decoder_only(language: Any, embeds: torch.Tensor, encoded: None, targets: torch.Tensor) -> list[float]:
    words = language.embed(targets.clamp_min(0))
    rows = torch.cat([embeds.expand(len(targets), -1, -1), words], dim=1)
    logits = language.model(inputs_embeds=rows, use_cache=False).logits
    start = embeds.shape[1] - 1
    return _sums(logits[:, start : start + targets.shape[1]], targets)


def _score_encoder_decoder(
    language: Any, embeds: torch.Tensor, encoded: torch.Tensor, targets: torch.Tensor
) -> list[float]:
    inputs = language.model.prepare_decoder_input_ids_from_labels(labels=targets)
    states = encoded.repeat_interleave(len(targets), dim=0)
    logits = language.model(encoder_outputs=(states,), decoder_input_ids=inputs, use_cache=False).logits
    return _sums(logits, targets)


def _sums(logits: torch.Tensor, targets: torch.Tensor) -> list[float]:
    loss = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none"
    )
    return (-loss.view_as(targets).sum(1)).tolist()


def compare(kind: str, count: int, repeats: int) -> dict[str, float]:
    """Median seconds of both ways for one model, their ratio and the largest difference of a score."""
    predictor = instructblip(kind)
    image = Image.new("RGB", (56, 56), (200, 40, 40))
    candidates = answers(count)
    times, results = medians(
        {
            "published": lambda: published(predictor, image, candidates),
            "vistune": lambda: predictor.rank([image], [PROMPT], candidates)[0].scores,
        },
        repeats,
    )
    worst = max(abs(a - b) for a, b in zip(results["published"], results["vistune"], strict=True))
    return {**times, "ratio": times["published"] / times["vistune"], "largest_difference": worst}


def main() -> None:
    """Print a line for each kind of language model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = {kind: compare(kind, options.candidates, options.repeats) for kind in ("llama", "t5")}
    if options.json:
        print(json.dumps(report))
        return
    for kind, row in report.items():
        print(
            f"{kind}: {options.candidates} candidates, published {row['published']:.2f} s, "
            f"vistune {row['vistune']:.2f} s, {row['ratio']:.1f} x, "
            f"largest score difference {row['largest_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
