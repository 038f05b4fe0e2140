"""A tiny first stage, and the same weights in transformers' Blip2ForImageTextRetrieval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tests.tiny import picture
from tests.tiny_tokenizers import bert_tokenizer
from torch import Tensor
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from vistune.data.batch import Encoded
from vistune.data.pairs import PairBatch, caption_ids, collate_pairs
from vistune.model.config import QFormerConfig, VisionConfig
from vistune.model.stage1 import Stage1Config, Stage1Model

SIZE, QUERIES, LAYERS, EMBED = 24, 4, 4, 16
CAPTIONS = (
    "a large red circle",
    "three yellow triangles in the picture",
    "purple",
    "the cat sits under the table",
    "a small blue square to the left",
    "two objects, both of them small",
    "a green star",
    "the quick brown fox jumps over the lazy dog",
)


def vision_config() -> VisionConfig:
    from transformers import Blip2VisionConfig

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return VisionConfig(Blip2VisionConfig(**sizes, image_size=32, patch_size=8))


def build(seed: int = 0, dropout: float = 0.0) -> Stage1Model:
    """Random weights everywhere, biases and norms too."""
    tokenizer = bert_tokenizer()
    qformer = QFormerConfig(
        vocab_size=len(tokenizer),
        hidden_size=SIZE,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=40,
        hidden_dropout=dropout,
        attention_dropout=dropout,
        max_position_embeddings=64,
        encoder_hidden_size=32,
        num_query_tokens=QUERIES,
        instruction_aware=False,
    )
    torch.manual_seed(seed)
    model = Stage1Model(Stage1Config(vision_config(), qformer, tokenizer.bos_token_id, image_text_size=EMBED))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name != "heads.temp":
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def reference(model: Stage1Model) -> Any:
    """transformers' retrieval model with the same weights."""
    config = model.config.qformer
    sizes = {
        "vocab_size": config.vocab_size,
        "hidden_size": SIZE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 64,
        "encoder_hidden_size": 32,
        "cross_attention_frequency": 2,
        "use_qformer_text_input": True,
    }
    other = Blip2ForImageTextRetrieval(
        Blip2Config(
            vision_config=model.config.vision.backbone.to_dict(),
            qformer_config=sizes,
            num_query_tokens=QUERIES,
            image_text_hidden_size=EMBED,
            image_token_index=None,
        )
    ).eval()
    names = [
        ("vision.backbone.", "vision_model."),
        ("connector.query_tokens", "query_tokens"),
        ("connector.qformer.embeddings.layernorm.", "qformer.layernorm."),
        ("connector.qformer.embeddings.", "embeddings."),
        ("connector.", ""),
        ("heads.vision_proj.", "vision_projection."),
        ("heads.text_proj.", "text_projection."),
        ("heads.itm_head.", "itm_head."),
    ]
    weights: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        for ours, theirs in names:
            if key.startswith(ours):
                weights[theirs + key[len(ours) :]] = value
                break
    other.load_state_dict(weights, strict=True)
    return other


def batch(count: int = 6, first: int = 0, groups: list[int] | None = None) -> PairBatch:
    """Pairs of noise and captions of different lengths."""
    tokenizer = bert_tokenizer()
    samples = []
    for n in range(first, first + count):
        blocks = torch.tensor(list(picture(n, (32, 32)).tobytes()), dtype=torch.float32)
        pixels = blocks.view(1, 32, 32, 3).permute(0, 3, 1, 2) / 127.5 - 1
        ids = caption_ids(CAPTIONS[n % len(CAPTIONS)], tokenizer)
        samples.append(Encoded(f"pair-{n}", ids, pixel_values=pixels))
    pairs = collate_pairs(samples)
    return pairs if groups is None else replace(pairs, image_groups=torch.tensor(groups))
