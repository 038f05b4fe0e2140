"""A language model that knows which answers are frequent: what ranking by a tuned model has to tell apart.

With random weights all candidates are about equally likely, which no model in use finds. A few steps on answers of the
list, frequent and rare ones as in data sets, teach the words of answers and nothing about questions or pictures.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from common import WORDS

from vistune.data.processor import Processor
from vistune.infer.predictor import Predictor
from vistune.model.losses import IGNORE

STEPS, BATCH, RATE = 80, 16, 3e-4


def tune(predictor: Predictor, answers: Sequence[str]) -> Predictor:
    """Tune an encoder-decoder's language model in place: the n-th answer of a shuffled list has a weight of 1/n."""
    language = predictor.model.language
    draw = random.Random(0)
    order = draw.sample(answers, len(answers))
    weights = [1 / (rank + 1) for rank in range(len(order))]
    optimiser = torch.optim.AdamW(language.parameters(), lr=RATE)
    language.train()
    for _ in range(STEPS):
        prompts = torch.tensor([[draw.randrange(5, WORDS) for _ in range(20)] for _ in range(BATCH)])
        targets = _targets(predictor.processor, draw.choices(order, weights, k=BATCH))
        loss, losses = language.losses(language.embed(prompts), torch.ones_like(prompts), targets)
        (loss / len(losses)).backward()
        optimiser.step()
        optimiser.zero_grad()
    language.eval()
    return predictor


def _targets(processor: Processor, answers: Sequence[str]) -> torch.Tensor:
    rows = [processor.target_ids(answer, True) for answer in answers]
    targets = torch.full((len(rows), max(map(len, rows))), IGNORE)
    for row, ids in enumerate(rows):
        targets[row, : len(ids)] = torch.tensor(ids)
    return targets
