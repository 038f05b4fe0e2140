"""Retrieval by BLIP-2's first stage: all pairs of pictures and captions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.data.images import count_images
from vistune.data.targets import LEFT_OUT, blip_caption
from vistune.errors import ImageError, InputError
from vistune.evaluate.benchmarks import Given
from vistune.evaluate.runner.benchmark import with_row
from vistune.evaluate.runner.matching import Matcher, shared_scores
from vistune.evaluate.runner.outcome import ROWS, Asked, BenchmarkResult, write_rows
from vistune.infer.retrieval import CANDIDATES, MAX_TOKENS

if TYPE_CHECKING:
    from torch import Tensor

    from vistune.data.example import Example
    from vistune.evaluate.benchmarks import Benchmark

# Captions of a picture that are written down.
_SHOWN = 10


def evaluate_retrieval(
    matcher: Matcher, benchmark: Benchmark, examples: Sequence[Example], folder: Path
) -> BenchmarkResult | None:
    """Compare every picture with every caption; a row a picture, with the captions that fit it best.

    Embeddings and matched pairs that stand in the folder already are taken where model, picture and text are equal; the
    others are computed, and each picture's are on disk before the next begins.

    Args:
        folder: of this benchmark.

    Returns:
        None on processes other than the main one.

    Raises:
        InputError: a row without exactly one picture. ImageError: a picture cannot be opened. StorageError: the disk is
            full.
    """
    started = time.monotonic()
    for example in examples:
        if count_images(example.images) != 1:
            raise InputError(
                f"Row {example.id!r} of {benchmark.name} has {len(example.images)} pictures; expected one."
            )
    texts = benchmark.texts(examples)
    refs = [example.images[0] for example in examples]
    try:
        found, reused = shared_scores(matcher, refs, [blip_caption(text) for text in texts], folder, benchmark.name)
    except ImageError as error:
        raise with_row(error, examples) from error
    if found is None:
        return None
    score = benchmark.score_retrieval(examples, found.image_to_text.numpy(), found.text_to_image.numpy())
    sent = [_best(row, texts) for row in found.image_to_text]
    given = [Given(answer=row["answer"]) for row in sent]
    settings = {
        "protocol": "itc+itm",
        "answering": "score",
        "reranked": CANDIDATES,
        "captions": f"lower case, without {' '.join(LEFT_OUT)}; {MAX_TOKENS} tokens at most",
        "batch_size": matcher.batch_size,
        "dtype": str(next(matcher.model.parameters()).dtype).removeprefix("torch."),
    }
    asked = Asked(examples, examples, given, sent, settings, reused)
    write_rows(folder / ROWS, asked, score)
    return BenchmarkResult(benchmark, "itc+itm", score, asked, folder / ROWS, time.monotonic() - started)


def _best(scores: Tensor, texts: Sequence[str]) -> dict[str, Any]:
    values, places = scores.topk(min(_SHOWN, len(texts)))
    candidates = [texts[place] for place in places.tolist()]
    return {"candidates": candidates, "scores": values.tolist(), "answer": candidates[0]}
