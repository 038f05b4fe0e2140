"""The Querying Transformer (BLIP-2 section 3; InstructBLIP section 2.3): a BERT whose queries look at the image.

Queries and text share self-attention; only the queries cross-attend to the image, every ``cross_attention_frequency``
layers; queries and text have feed-forwards of their own. Parameter names are those of transformers' released folders.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from vistune.model.config import QFormerConfig
from vistune.model.qformer_blocks import AttentionBlock, Intermediate, ResidualOutput
from vistune.model.ragged import Ragged, ragged_layout

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

    def forward(
        self,
        hidden: Tensor,
        num_queries: int,
        image: Tensor | None,
        mask: Tensor | None,
        layout: Ragged | None = None,
        image_rows: Tensor | None = None,
    ) -> Tensor:
        """hidden [B, Q+L, H] or the layout's list, image [B, P, D] (None only without queries), mask of attention

        image_rows: [B], the place of each row's picture in image [U, P, D]; None: row i has picture i.
        """
        hidden = self.attention(hidden, hidden, mask, layout)
        if layout is not None:
            queries, text = layout.split(hidden)
            queries = self._query_output(queries, image, image_rows) if num_queries else queries
            return layout.join(queries, self.output(self.intermediate(text), text))
        parts: list[Tensor] = []
        if num_queries:
            parts.append(self._query_output(hidden[:, :num_queries], image, image_rows))
        if hidden.shape[1] > num_queries:
            text = hidden[:, num_queries:]
            parts.append(self.output(self.intermediate(text), text))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def _query_output(self, queries: Tensor, image: Tensor | None, image_rows: Tensor | None) -> Tensor:
        if self.crossattention is not None:
            queries = self.crossattention(queries, image, None, source_rows=image_rows)
        output: Tensor = self.output_query(self.intermediate_query(queries), queries)
        return output


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
        image_rows: Tensor | None = None,
    ) -> Tensor:
        """Run queries, text or both.

        Args:
            queries: [B, Q, H] or None for text alone.
            image: [B, P, encoder_hidden_size]; needed with queries. All image tokens are attended to.
            input_ids: [B, L] or None for queries alone. text_mask: [B, L], all ones if None.
            mode: see :func:`self_attention_mask`.
            image_rows: [B], the place of each row's picture in image [U, P, encoder_hidden_size], where rows share
                pictures: their keys and values are computed once.

        Returns:
            [B, Q+L, H], zeros where text is padding and the mode is "bidirectional": nothing is computed there
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
        layout = ragged_layout(num_queries, text_mask) if input_ids is not None and mode == "bidirectional" else None
        if layout is None:
            for layer in self.encoder.layer:
                hidden = layer(hidden, num_queries, image, mask, image_rows=image_rows)
            return hidden
        tokens = layout.to_list(hidden)
        for layer in self.encoder.layer:
            tokens = layer(tokens, num_queries, image, mask, layout, image_rows)
        return layout.to_rows(tokens)

    def _check_text(self, input_ids: Tensor) -> None:
        if not self.config.text_input:
            raise ValueError("This Q-Former has no text part (text_input=False) but got input_ids; leave them out.")
        if input_ids.shape[1] > self.config.max_position_embeddings:
            raise ValueError(
                f"The Q-Former got {input_ids.shape[1]} text tokens but has {self.config.max_position_embeddings} "
                "positions; cut the instruction."
            )
