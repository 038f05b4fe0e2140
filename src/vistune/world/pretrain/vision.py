"""Contrastive training of the two image encoders by one recipe.

A sigmoid contrast as in SigLIP (arXiv:2303.15343), with a phrase compared to every patch and the best patches deciding,
as in FILIP (arXiv:2111.07783). Phrases name positions too: a contrast of whole captions loses both shape and position
at this size.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vistune.model.attention import register_attention
from vistune.world.pretrain.optim import Log, Optimizers, Updates
from vistune.world.pretrain.phrases import (
    ALL_COLOURS,
    ALL_SHAPES,
    NUM_VALUES,
    draw_phrases,
    fits,
    scene_attributes,
)
from vistune.world.pretrain.settings import VisionSettings
from vistune.world.render import render
from vistune.world.scene import Scene, scenes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MEAN, STD = 0.5, 0.5  # of the packaged image processors


def build_encoder(kind: str, settings: VisionSettings) -> PreTrainedModel:
    """Fresh encoder: "eva" (transformers' InstructBlipVisionModel) or "clip" (CLIPVisionModel, one layer more)."""
    from transformers import CLIPVisionConfig, CLIPVisionModel, InstructBlipVisionConfig, InstructBlipVisionModel

    common: dict[str, Any] = {
        "hidden_size": settings.hidden_size,
        "intermediate_size": settings.intermediate_size,
        "num_attention_heads": settings.num_heads,
        "image_size": settings.image_size,
        "patch_size": settings.patch_size,
    }
    name = register_attention()
    if kind == "eva":
        config = InstructBlipVisionConfig(**common, num_hidden_layers=settings.num_layers, initializer_range=0.02)
        model = InstructBlipVisionModel._from_config(config, attn_implementation=name)
        # transformers leaves these at a standard deviation of 1 on construction.
        with torch.no_grad():
            nn.init.normal_(model.embeddings.position_embedding, std=0.02)
            nn.init.normal_(model.embeddings.class_embedding, std=0.02)
        return model
    clip_config = CLIPVisionConfig(**common, num_hidden_layers=settings.num_layers + 1, hidden_act="quick_gelu")
    return CLIPVisionModel._from_config(clip_config, attn_implementation=name)


def encoder_features(kind: str, model: Any, pixels: Tensor) -> list[Tensor]:
    """Features [N, tokens, d] at every place that is trained; the first is what the papers' models read.

    EVA: all tokens after the last norm. CLIP: patches of the last layer but one, and the normed last layer.
    """
    if kind == "eva":
        return [model(pixel_values=pixels).last_hidden_state]
    output = model(pixel_values=pixels, output_hidden_states=True)
    tower = getattr(model, "vision_model", model)
    return [output.hidden_states[-2][:, 1:], tower.post_layernorm(output.last_hidden_state)]


class PhraseTower(nn.Module):
    """The text side: a phrase is the sum of its attributes' vectors, through an MLP. Thrown away after training."""

    offsets: Tensor

    def __init__(self, hidden_size: int, num_places: int) -> None:
        super().__init__()
        self.values = nn.Embedding(sum(NUM_VALUES) + len(NUM_VALUES), hidden_size)
        offsets = torch.tensor([0, *itertools.accumulate(count + 1 for count in NUM_VALUES)][:-1])
        self.register_buffer("offsets", offsets + 1, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, 2 * hidden_size), nn.ReLU(), nn.Linear(2 * hidden_size, hidden_size)
        )
        self.heads = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in range(num_places))
        self.scale = nn.Parameter(torch.tensor(2.3))
        self.bias = nn.Parameter(torch.tensor(-8.0))

    def forward(self, phrases: Tensor) -> Tensor:
        """[P, 5] -> [P, d], of length 1."""
        return F.normalize(self.mlp(self.values(phrases + self.offsets).sum(1)), dim=-1)

    def logits(self, features: Tensor, phrases: Tensor, head: int) -> Tensor:
        """[N, tokens, d], [P, d] -> [N, P]: logsumexp over the tokens of scaled cosines."""
        tokens = F.normalize(self.heads[head](features), dim=-1)
        return torch.logsumexp(self.scale.exp() * (tokens @ phrases.T).float(), dim=1) + self.bias


def draw_pictures(settings: VisionSettings, split: str, seed: int, count: int) -> tuple[list[Scene], Tensor]:
    """Scenes of the split (a quarter with shapes and colours beyond the world's own) and their pixels, uint8."""
    import numpy

    usual = scenes(split, f"pictures {seed}")
    wider = scenes(split, f"wider pictures {seed}", None, ALL_SHAPES, ALL_COLOURS)
    chosen = [next(wider if index % 4 == 0 else usual) for index in range(count)]
    pixels = numpy.stack([numpy.asarray(render(scene, settings.image_size)) for scene in chosen])
    return chosen, torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def normalised(pixels: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] -> float32 around 0, as the packaged processors do it."""
    return (pixels.float() / 255 - MEAN) / STD


def train_encoder(kind: str, model: PreTrainedModel, settings: VisionSettings, seed: int, log: Log) -> None:
    """Trains `model` in place; `log` gets the mean loss and the seconds every 50 steps."""
    chosen, pixels = draw_pictures(settings, "train", seed, settings.num_pictures)
    attributes = scene_attributes(chosen)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    tower = PhraseTower(settings.hidden_size, 1 if kind == "eva" else 2)
    optimizers = Optimizers(nn.ModuleList([model, tower]), model, settings.learning_rate, settings.weight_decay)
    model.train()
    updates = Updates(optimizers, model, settings, log)
    for _ in range(settings.steps):
        rows = torch.randint(len(pixels), (settings.batch_size,), generator=generator)
        phrases = draw_phrases(attributes[rows], settings.num_phrases, generator)
        truth = fits(attributes[rows], phrases).float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = encoder_features(kind, model, normalised(pixels[rows]))
            losses_here = [
                F.binary_cross_entropy_with_logits(tower.logits(places, tower(phrases), head), truth)
                for head, places in enumerate(features)
            ]
        updates.apply(torch.stack(losses_here).mean())
    model.eval()
