"""The models of bench/eval.py: the released ones with every part's parameters divided by about 95, and random weights.

                          released                              here
image encoder, 257 tokens ViT-g, 1.0 B                          384 wide, 6 layers: 10.6 M
Q-Former                  188 M                                 192 wide, 3 layers: 2.4 M
FlanT5-XL                 2.85 B (1.2 B in the encoder)         384 wide, 5 + 5 layers: 28 M
Vicuna-7B                 6.7 B                                 768 wide, 10 layers: 74 M
CLIP ViT-L, 577 tokens    0.30 B                                256 wide, 4 layers: 3.2 M

Vocabularies are divided too (2,048 words), queries, patches and prompts are not: so each part has the share of the work
that it has in the released model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from common import WORDS, language_config, word_tokenizer
from encoding import photo
from transformers import CLIPVisionConfig, InstructBlipVisionConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from vistune.checkpoint import save_model
from vistune.data.processor import Processor
from vistune.model.config import ConnectorConfig, ModelConfig, QFormerConfig, VisionConfig
from vistune.model.vlm import VisionLanguageModel

Kind = Literal["instructblip", "llava"]
PATCH = 14
VOCABULARY = 2048


@dataclass(frozen=True)
class Scaled:
    """A released model, made small: its kind, language model, image side, and widths and layers of its parts."""

    title: str
    kind: Kind
    language: Literal["llama", "t5"]
    side: int
    vision: tuple[int, int]
    text: tuple[int, int]


MODELS = (
    Scaled("InstructBLIP FlanT5-XL", "instructblip", "t5", 224, (384, 6), (384, 5)),
    Scaled("InstructBLIP Vicuna-7B", "instructblip", "llama", 224, (384, 6), (768, 10)),
    Scaled("LLaVA-1.5 7B", "llava", "llama", 336, (256, 4), (768, 10)),
)


def write_scaled(model: Scaled, folder: Path) -> None:
    """A transformers folder that both sides read."""
    torch.manual_seed(0)
    config = _config(model)
    save_model(VisionLanguageModel(config).eval(), _processor(model, config), folder)


def write_photos(folder: Path, count: int) -> list[Path]:
    """JPEG files of COCO's size, 640 x 480."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(photo(number))
    return paths


def _config(model: Scaled) -> ModelConfig:
    width, layers = model.vision
    sizes: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "image_size": model.side,
        "patch_size": PATCH,
    }
    language = language_config(model.language, *model.text, VOCABULARY)
    if model.kind == "llava":
        vision = VisionConfig(CLIPVisionConfig(**sizes), feature_layer=-2)
        return ModelConfig(vision, ConnectorConfig("mlp"), language, 4, image_first=False)
    qformer = QFormerConfig(
        vocab_size=WORDS + 5,
        hidden_size=192,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=4 * 192,
        encoder_hidden_size=width,
        num_query_tokens=32,
    )
    vision = VisionConfig(InstructBlipVisionConfig(**sizes))
    return ModelConfig(vision, ConnectorConfig("qformer", qformer), language, 4, image_first=True)


def _processor(model: Scaled, config: ModelConfig) -> Processor:
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    images = CLIPImageProcessorPil(size={"height": model.side, "width": model.side}, do_center_crop=False)
    return Processor(
        tokenizer,
        images,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        num_image_tokens=config.num_image_tokens,
        image_first=model.kind == "instructblip",
        encoder_decoder=model.language == "t5",
        qformer_tokenizer=word_tokenizer() if model.kind == "instructblip" else None,
    )
