"""The models, pictures and texts of bench/train.py: its fixed sizes, made on the spot from random numbers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Literal

import torch
from common import WORDS, language_config, word_tokenizer
from encoding import photo
from transformers import CLIPVisionConfig, InstructBlipVisionConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from vistune.checkpoint import save_model
from vistune.data.example import Example
from vistune.data.processor import Processor
from vistune.model.config import ConnectorConfig, ModelConfig, QFormerConfig, VisionConfig
from vistune.model.vlm import VisionLanguageModel
from vistune.train.recipe.parts import Part

Kind = Literal["instructblip", "llava"]
BATCH = 32
SIDE, PATCH = 224, 14
VISION = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 6}
QUERIES, QFORMER_WIDTH, QFORMER_LAYERS = 32, 384, 6
LANGUAGE_WIDTH, LANGUAGE_LAYERS, VOCABULARY = 512, 6, 32000
PICTURES = 64
PROMPT_WORDS = (5, 25)
# Share of the samples and words of their answers, as in the held-in mixture: short answers, captions, conversations.
ANSWERS = ((0.7, (1, 3)), (0.2, (8, 15)), (0.1, (50, 250)))
# Rows that samples are packed into: the longest sample has 308 tokens beside 32 queries, or 533 beside 257 patches.
ROW = {"instructblip": 512, "llava": 1024}
TRAINED: dict[Kind, tuple[Part, ...]] = {
    "instructblip": ("queries", "qformer", "projection"),
    "llava": ("projection", "language"),
}
RATE = {"instructblip": 1e-4, "llava": 2e-5}
WEIGHT_DECAY, CLIP_NORM = 0.05, 1.0


def write_model(kind: Kind, folder: Path) -> None:
    """A transformers folder with random weights, which both sides read."""
    torch.manual_seed(0)
    model = VisionLanguageModel(_config(kind)).eval()
    save_model(model, _processor(kind), folder)


def _config(kind: Kind) -> ModelConfig:
    language = language_config("llama", LANGUAGE_WIDTH, LANGUAGE_LAYERS, VOCABULARY)
    size: dict[str, Any] = {**VISION, "image_size": SIDE, "patch_size": PATCH}
    if kind == "llava":
        vision = VisionConfig(CLIPVisionConfig(**size), feature_layer=-2)
        return ModelConfig(vision, ConnectorConfig("mlp"), language, 4, image_first=False)
    qformer = QFormerConfig(
        vocab_size=WORDS + 5,
        hidden_size=QFORMER_WIDTH,
        num_hidden_layers=QFORMER_LAYERS,
        num_attention_heads=QFORMER_WIDTH // 64,
        intermediate_size=4 * QFORMER_WIDTH,
        encoder_hidden_size=VISION["hidden_size"],
        num_query_tokens=QUERIES,
        hidden_dropout=0.0,
        attention_dropout=0.0,
    )
    vision = VisionConfig(InstructBlipVisionConfig(**size))
    return ModelConfig(vision, ConnectorConfig("qformer", qformer), language, 4, image_first=True)


def _processor(kind: Kind) -> Processor:
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    images = CLIPImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    return Processor(
        tokenizer,
        images,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        num_image_tokens=_config(kind).num_image_tokens,
        image_first=kind == "instructblip",
        qformer_tokenizer=word_tokenizer() if kind == "instructblip" else None,
    )


def write_pictures(folder: Path, count: int = PICTURES) -> list[Path]:
    """JPEG files of the encoder's size."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(photo(number, SIDE, SIDE))
    return paths


class Examples:
    """``count`` samples in the lengths of the mixture: any number of them, as each is made when it is asked for.

    Args:
        pictures: shown in turns. seed: of words and lengths.
    """

    def __init__(self, count: int, pictures: list[Path], seed: int = 0) -> None:
        self._count = count
        self._pictures = pictures
        self._seed = seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self._count:
            raise IndexError(index)
        draw = random.Random(f"{self._seed} {index}")
        prompt = _words(draw, PROMPT_WORDS)
        answer = _words(draw, draw.choices([span for _, span in ANSWERS], [share for share, _ in ANSWERS])[0])
        return Example(str(index), "mixed", prompt, answer, (self._pictures[index % len(self._pictures)],))


def _words(draw: random.Random, span: tuple[int, int]) -> str:
    return " ".join(f"w{draw.randrange(WORDS)}" for _ in range(draw.randint(*span)))
