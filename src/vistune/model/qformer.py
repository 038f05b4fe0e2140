"""The Querying Transformer (BLIP-2 section 3; InstructBLIP section 2.3): a BERT whose queries look at the image.

Queries and text share self-attention; only the queries cross-attend to the image, every ``cross_attention_frequency``
layers; queries and text have feed-forwards of their own. Parameter names are those of transformers' released folders.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from vistune.model.attention import attention
from vistune.model.config import QFormerConfig

MaskMode = Literal["bidirectional", "causal"]


def self_attention_mask(num_queries: int, text_mask: Tensor | None, mode: MaskMode) -> Tensor | None:
    """Who may look at whom in the Q-Former's self-attention.

    Args:
        num_queries: Q, may be 0 (text alone).
        text_mask: [B, L] bool or 0/1, True for real tokens; None without text.
        mode: "bidirectional": queries and text see each other (image-text matching; instructions). "causal": text sees
            all queries and earlier text, queries never see text (image-grounded generation). The contrastive loss has
            no mask of its own: queries alone and text alone are two passes (BLIP-2 figure 2).

    Returns:
        [B, 1, Q+L, Q+L] or [B, 1, 1, Q+L] bool, True = may attend; None if nothing is masked.
    """
    if mode not in ("bidirectional", "causal"):
        raise ValueError(f"Unknown Q-Former mask mode {mode!r}; expected 'bidirectional' or 'causal'.")
    if text_mask is None:
        return None
    text_mask = text_mask.bool()
    batch, length = text_mask.shape
    seen = torch.cat([text_mask.new_ones(batch, num_queries), text_mask], dim=1)[:, None, None, :]
    if mode == "bidirectional":
        return seen
    total = num_queries + length
    order = torch.ones(total, total, dtype=torch.bool, device=text_mask.device).tril()
    order[:num_queries, :num_queries] = True
    return seen & order


class QFormerAttention(nn.Module):
    """Multi-head attention with BERT's projections; keys and values may come from an encoder of another width."""

    def __init__(self, config: QFormerConfig, key_size: int) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_dropout
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(key_size, config.hidden_size)
        self.value = nn.Linear(key_size, config.hidden_size)

    def forward(self, hidden: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """hidden [B, L, H], source [B, S, key_size], mask broadcastable to [B, heads, L, S] -> [B, L, H]"""
        query, key, value = (
            projection(states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for projection, states in ((self.query, hidden), (self.key, source), (self.value, source))
        )
        context = attention(query, key, value, mask, self.dropout if self.training else 0.0)
        return context.transpose(1, 2).flatten(2)


class ResidualOutput(nn.Module):
    """BERT's dense, dropout, add, LayerNorm (post-norm)."""

    def __init__(self, config: QFormerConfig, input_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(input_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """hidden [B, L, input_size], residual [B, L, H] -> [B, L, H]"""
        output: Tensor = self.LayerNorm(self.dropout(self.dense(hidden)) + residual)
        return output


class AttentionBlock(nn.Module):
    """Attention and its residual output."""

    def __init__(self, config: QFormerConfig, key_size: int) -> None:
        super().__init__()
        self.attention = QFormerAttention(config, key_size)
        self.output = ResidualOutput(config, config.hidden_size)

    def forward(self, hidden: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """Shapes as in QFormerAttention."""
        output: Tensor = self.output(self.attention(hidden, source, mask), hidden)
        return output


class Intermediate(nn.Module):
    """First half of the feed-forward."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, L, H] -> [B, L, intermediate_size]"""
        output: Tensor = self.activation(self.dense(hidden))
        return output


class QFormerLayer(nn.Module):
    """Shared self-attention; cross-attention and a feed-forward for queries; another feed-forward for text."""

    def __init__(self, config: QFormerConfig, index: int) -> None:
        super().__init__()
        self.attention = AttentionBlock(config, config.hidden_size)
        self.crossattention: AttentionBlock | None = None
        if index % config.cross_attention_frequency == 0:
            self.crossattention = AttentionBlock(config, config.encoder_hidden_size)
        if config.text_input:
            self.intermediate = Intermediate(config)
            self.output = ResidualOutput(config, config.intermediate_size)
        self.intermediate_query = Intermediate(config)
        self.output_query = ResidualOutput(config, config.intermediate_size)

    def forward(self, hidden: Tensor, num_queries: int, image: Tensor | None, mask: Tensor | None) -> Tensor:
        """hidden [B, Q+L, H], image [B, P, D] (None only without queries), mask from self_attention_mask"""
        hidden = self.attention(hidden, hidden, mask)
        parts: list[Tensor] = []
        if num_queries:
            queries = hidden[:, :num_queries]
            if self.crossattention is not None:
                queries = self.crossattention(queries, image, None)
            parts.append(self.output_query(self.intermediate_query(queries), queries))
        if hidden.shape[1] > num_queries:
            text = hidden[:, num_queries:]
            parts.append(self.output(self.intermediate(text), text))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


class QFormerEmbeddings(nn.Module):
    """Word and position embeddings of the text; one LayerNorm over queries and text. Queries have no position."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        if config.text_input:
            self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
            self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, queries: Tensor | None, input_ids: Tensor | None) -> Tensor:
        """queries [B, Q, H] and/or input_ids [B, L] -> [B, Q+L, H]; text positions start at 0"""
        parts = [] if queries is None else [queries]
        if input_ids is not None:
            positions = torch.arange(input_ids.shape[1], device=input_ids.device)
            parts.append(self.word_embeddings(input_ids) + self.position_embeddings(positions))
        hidden = torch.cat([part.to(self.layernorm.weight.dtype) for part in parts], dim=1)
        output: Tensor = self.dropout(self.layernorm(hidden))
        return output


class QFormerEncoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(QFormerLayer(config, index) for index in range(config.num_hidden_layers))


class QFormer(nn.Module):
    """Querying Transformer over image features and, if the config says so, text."""

    def __init__(self, config: QFormerConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = QFormerEmbeddings(config)
        self.encoder = QFormerEncoder(config)
        self.apply(self._initialize)

    def _initialize(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(
        self,
        queries: Tensor | None,
        image: Tensor | None,
        input_ids: Tensor | None = None,
        text_mask: Tensor | None = None,
        mode: MaskMode = "bidirectional",
    ) -> Tensor:
        """Run queries, text or both.

        Args:
            queries: [B, Q, H] or None for text alone.
            image: [B, P, encoder_hidden_size]; needed with queries. All image tokens are attended to.
            input_ids: [B, L] or None for queries alone. text_mask: [B, L], all ones if None.
            mode: see :func:`self_attention_mask`.

        Returns:
            [B, Q+L, H]
        """
        if input_ids is not None:
            self._check_text(input_ids)
            text_mask = torch.ones_like(input_ids) if text_mask is None else text_mask
        if queries is not None and image is None:
            raise ValueError("The Q-Former got queries without image features; pass image, or only input_ids.")
        num_queries = 0 if queries is None else queries.shape[1]
        hidden = self.embeddings(queries, input_ids)
        mask = self_attention_mask(num_queries, text_mask if input_ids is not None else None, mode)
        if image is not None:
            image = image.to(hidden.dtype)
        for layer in self.encoder.layer:
            hidden = layer(hidden, num_queries, image, mask)
        return hidden

    def _check_text(self, input_ids: Tensor) -> None:
        if not self.config.text_input:
            raise ValueError("This Q-Former has no text part (text_input=False) but got input_ids; leave them out.")
        if input_ids.shape[1] > self.config.max_position_embeddings:
            raise ValueError(
                f"The Q-Former got {input_ids.shape[1]} text tokens but has {self.config.max_position_embeddings} "
                "positions; cut the instruction."
            )
