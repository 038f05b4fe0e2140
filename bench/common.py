"""What the benchmarks share: random models of a stated size, made on the spot, and honest timing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    T5Config,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from vistune.data.processor import Processor
from vistune.infer.predictor import Predictor
from vistune.model.config import ConnectorConfig, ModelConfig, QFormerConfig, VisionConfig
from vistune.model.vlm import VisionLanguageModel

WORDS = 2000


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word: w0 .. w1999."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3, "<image>": 4}
    vocabulary.update({f"w{index}": index + 5 for index in range(WORDS)})
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def language_config(kind: str, hidden: int, layers: int, vocab: int) -> Any:
    """A Llama or T5 of the given size."""
    heads = hidden // 64
    if kind == "llama":
        return LlamaConfig(
            vocab_size=vocab,
            hidden_size=hidden,
            intermediate_size=hidden * 11 // 4,
            num_hidden_layers=layers,
            num_attention_heads=heads,
        )
    return T5Config(
        vocab_size=vocab,
        d_model=hidden,
        d_kv=64,
        d_ff=hidden * 4,
        num_layers=layers,
        num_heads=heads,
        feed_forward_proj="gated-gelu",
        dense_act_fn="gelu",  # LAVIS's, and so the released models'; transformers would take its approximation
        decoder_start_token_id=3,
        pad_token_id=3,
        eos_token_id=2,
    )


def instructblip(kind: str, hidden: int = 512, layers: int = 8, vocab: int = 32000) -> Predictor:
    """A random InstructBLIP: 32 queries over a small ViT, and a Llama or T5 of the given size."""
    torch.manual_seed(0)
    vision = InstructBlipVisionConfig(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, image_size=56, patch_size=14
    )
    qformer = QFormerConfig(
        vocab_size=WORDS + 5,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        encoder_hidden_size=128,
        max_position_embeddings=512,
    )
    config = ModelConfig(
        VisionConfig(vision), ConnectorConfig("qformer", qformer), language_config(kind, hidden, layers, vocab), 4, True
    )
    model = VisionLanguageModel(config).eval()
    tokenizer = word_tokenizer()
    size = {"height": 56, "width": 56}
    processor = Processor(
        tokenizer,
        CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size=size),
        image_token_id=4,
        num_image_tokens=32,
        image_first=True,
        encoder_decoder=kind == "t5",
        qformer_tokenizer=tokenizer,
    )
    return Predictor(model, processor)


def llava_vision() -> CLIPVisionConfig:
    """A small CLIP tower."""
    return CLIPVisionConfig(
        hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, image_size=56, patch_size=14
    )


def medians(functions: dict[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds and last result of each function, run in turns so that a slow moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            results[name] = function()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}, results
