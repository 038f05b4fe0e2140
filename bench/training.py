"""Training steps on packed rows beside padded ones, and with cached image features beside without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from common import instructblip, medians
from mixed_lengths import held_in_texts

from vistune.data.batch import Batch, Encoded
from vistune.data.encoded_set import EncodedSet
from vistune.data.features import encode_features
from vistune.data.packing import RowSize, packed_rows
from vistune.data.processor import Processor
from vistune.model.vlm import VisionLanguageModel

BATCH = 64


def compare_packing(kind: str, max_tokens: int, steps: int, repeats: int) -> dict[str, float]:
    """Training samples per second of an InstructBLIP on cached features: Q-Former and projection train.

    Both see the same samples of the held-in mixture, steps of 64; the losses are compared too.
    """
    predictor = instructblip(kind, hidden=256, layers=6, vocab=2048)
    model, processor = predictor.model, predictor.processor
    _train_connector(model)
    patches = model.config.vision.num_features
    torch.manual_seed(0)
    samples = [
        processor.encode_one(
            prompt,
            None,
            answer,
            id=str(number),
            image_features=torch.randn(1, patches, model.config.vision.feature_size),
        )
        for number, (prompt, answer) in enumerate(held_in_texts(steps * BATCH))
    ]
    chunks = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
    packed = [processor.pack(packed_rows(chunk, RowSize(max_tokens), processor.encoder_decoder)) for chunk in chunks]
    padded = [processor.collate(chunk) for chunk in chunks]
    times, losses = medians({"padded": lambda: _run(model, padded), "packed": lambda: _run(model, packed)}, repeats)
    apart = processor.encoder_decoder
    return {
        **{f"{name}_samples_per_second": len(samples) / seconds for name, seconds in times.items()},
        "ratio": times["padded"] / times["packed"],
        "padded_fill": sum(batch.fill(apart) for batch in padded) / len(padded),
        "packed_fill": sum(batch.fill(apart) for batch in packed) / len(packed),
        "largest_difference_of_losses": max(
            abs(a - b) for a, b in zip(losses["padded"], losses["packed"], strict=True)
        ),
    }


def compare_features(count: int, repeats: int) -> dict[str, float]:
    """Training samples per second of the demo's InstructBLIP, from pictures and from features that were kept."""
    from vistune.data.sources.world import tuning_examples
    from vistune.demo.models import build_instructblip

    model, processor = build_instructblip(0)
    _train_connector(model)
    examples = tuning_examples({"count": count}, 0)["count"]
    features = encode_features(model, processor, [image for example in examples for image in example.images])
    cached = EncodedSet("cached", examples, processor, features)
    whole = EncodedSet("whole", examples, processor)
    cached.all()  # prompts are tokenised once in any case

    def run(make: Callable[[int], Encoded]) -> Callable[[], list[float]]:
        return lambda: _run(model, _batches(processor, make, count))

    times, _ = medians({"without": run(whole.__getitem__), "with": run(cached.__getitem__)}, repeats)
    return {
        **{f"{name}_cache_samples_per_second": count / seconds for name, seconds in times.items()},
        "ratio": times["without"] / times["with"],
    }


def computed_features_ratio(tokens: float) -> dict[str, float]:
    """What the cache saves for ViT-g/14 with Vicuna-7B, from multiplications alone.

    A Linear costs 2 operations per weight and token forwards, 2 more backwards for what lies before it, and 2 more
    where it trains itself. ViT-g: 40 blocks of width 1408 and inner width 6144 on 257 tokens, forwards only. Q-Former
    and projection: forwards and backwards with weights. Vicuna-7B: forwards and backwards without.

    Args:
        tokens: positions of the language model a sample, padding included.
    """
    patches, queries, width = 257, 32, 1408
    vit = 40 * (2 * (4 * width**2 + 2 * width * 6144) * patches + 4 * patches**2 * width)
    instruction = 20
    qformer = 12 * 2 * (4 * 768**2 + 2 * 768 * 3072) * (queries + instruction)
    qformer += 6 * 2 * (2 * 768**2 * queries + 2 * width * 768 * patches)
    qformer += 2 * 768 * 4096 * queries
    vicuna = 2 * 32 * (4 * 4096**2 + 3 * 4096 * 11008) * tokens
    rest = 3 * qformer + 2 * vicuna
    return {
        "vit_teraflop": vit / 1e12,
        "qformer_teraflop": 3 * qformer / 1e12,
        "vicuna_teraflop": 2 * vicuna / 1e12,
        "ratio": (vit + rest) / rest,
    }


def _train_connector(model: VisionLanguageModel) -> None:
    model.requires_grad_(False)
    model.connector.requires_grad_(True)


def _batches(processor: Processor, make: Callable[[int], Encoded], count: int) -> list[Batch]:
    samples = [make(index) for index in range(count)]
    return [processor.collate(samples[start : start + BATCH]) for start in range(0, count, BATCH)]


def _run(model: VisionLanguageModel, batches: Sequence[Batch]) -> list[float]:
    """Forward and backward of every batch; the losses."""
    losses = []
    for batch in batches:
        output: Any = model(**batch.model_inputs())
        output.loss.backward()
        model.zero_grad(set_to_none=True)
        losses.append(float(output.loss.detach()))
    return losses
