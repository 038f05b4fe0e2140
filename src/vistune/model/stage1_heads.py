"""What the first stage of BLIP-2 puts on top of the Q-Former. Names are those of LAVIS' checkpoints.

``heads.cls.*`` is ``Qformer.cls.*`` there; ``vision_proj``, ``text_proj``, ``itm_head`` and ``temp`` stand at the top.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from vistune.model.config import QFormerConfig


class Stage1Heads(nn.Module):
    """Projections into the space of contrast, its temperature, the matching head and BERT's language-model head.

    Args:
        size: width of the space of contrast. temperature: start of ``temp``, a learned number that nothing clamps.
    """

    def __init__(self, config: QFormerConfig, size: int, temperature: float) -> None:
        super().__init__()
        self.vision_proj = nn.Linear(config.hidden_size, size)
        self.text_proj = nn.Linear(config.hidden_size, size)
        self.itm_head = nn.Linear(config.hidden_size, 2)
        self.temp = nn.Parameter(torch.tensor(temperature))
        self.cls = CaptionHead(config)

    def tie(self, words: nn.Embedding) -> None:
        """Let the language-model head share the word embeddings, as BERT does."""
        self.cls.predictions.decoder.weight = words.weight


class CaptionHead(nn.Module):
    """BERT's ``cls``: Linear, activation, LayerNorm, then a score for each word."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.predictions = _Predictions(config)

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., H] -> [..., vocab_size]"""
        output: Tensor = self.predictions(hidden)
        return output


class _Predictions(nn.Module):
    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.transform = _Transform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        output: Tensor = self.decoder(self.transform(hidden))
        return output


class _Transform(nn.Module):
    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor) -> Tensor:
        output: Tensor = self.LayerNorm(self.activation(self.dense(hidden)))
        return output
