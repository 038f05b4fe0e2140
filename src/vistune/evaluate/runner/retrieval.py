"""Retrieval by BLIP-2's first stage: all pairs of pictures and captions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.images import count_images
from vistune.errors import InputError
from vistune.evaluate.benchmarks import Given
from vistune.evaluate.runner.outcome import ROWS, Asked, BenchmarkResult, write_rows
from vistune.infer.retrieval import CANDIDATES, retrieval_scores

if TYPE_CHECKING:
    from torch import Tensor

    from vistune.data.example import Example
    from vistune.data.pairs import PairProcessor
    from vistune.evaluate.benchmarks import Benchmark
    from vistune.model.stage1 import Stage1Model

# Captions of a picture that are written down.
_SHOWN = 10


def evaluate_retrieval(
    model: Stage1Model,
    processor: PairProcessor,
    benchmark: Benchmark,
    examples: Sequence[Example],
    folder: Path,
    *,
    batch_size: int,
    writes: bool = True,
) -> BenchmarkResult:
    """Compare every picture with every caption; a row a picture, with the captions that fit it best.

    Args:
        writes: whether this process writes the rows.

    Raises:
        InputError: a row without exactly one picture. ImageError: a picture cannot be opened.
    """
    started = time.monotonic()
    for example in examples:
        if count_images(example.images) != 1:
            raise InputError(
                f"Row {example.id!r} of {benchmark.name} has {len(example.images)} pictures; expected one."
            )
    texts = benchmark.texts(examples)
    found = retrieval_scores(
        model, processor, [example.images[0] for example in examples], texts, batch_size=batch_size
    )
    score = benchmark.score_retrieval(examples, found.image_to_text.numpy(), found.text_to_image.numpy())
    sent = [_best(row, texts) for row in found.image_to_text]
    given = [Given(answer=row["answer"]) for row in sent]
    settings = {"protocol": "itc+itm", "answering": "score", "reranked": CANDIDATES, "batch_size": batch_size}
    asked = Asked(examples, examples, given, sent, settings)
    if writes:
        write_rows(folder / ROWS, asked, score)
    return BenchmarkResult(benchmark, "itc+itm", score, asked, folder / ROWS, time.monotonic() - started)


def _best(scores: Tensor, texts: Sequence[str]) -> dict[str, Any]:
    values, places = scores.topk(min(_SHOWN, len(texts)))
    candidates = [texts[place] for place in places.tolist()]
    return {"candidates": candidates, "scores": values.tolist(), "answer": candidates[0]}
