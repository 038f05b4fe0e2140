"""What a layer of the Q-Former is made of: attention, residual output, first half of the feed-forward.

Parameter names are those of transformers' released folders.
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers.activations import ACT2FN

from vistune.model.attention import attention
from vistune.model.config import QFormerConfig
from vistune.model.ragged import Ragged


class QFormerAttention(nn.Module):
    """Multi-head attention with BERT's projections; keys and values may come from an encoder of another width."""

    def __init__(self, config: QFormerConfig, key_size: int) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_dropout
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(key_size, config.hidden_size)
        self.value = nn.Linear(key_size, config.hidden_size)

    def forward(
        self,
        hidden: Tensor,
        source: Tensor,
        mask: Tensor | None,
        layout: Ragged | None = None,
        source_rows: Tensor | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            hidden: [B, L, H], source: [B, S, key_size]; both token lists if there is a layout.
            mask: broadcastable to [B, heads, L, S].
            source_rows: [B], the row of source [U, S, key_size] that each row attends to; None: its own.

        Returns:
            as hidden
        """
        projected = [self.query(hidden), self.key(source), self.value(source)]
        if source_rows is not None:
            projected[1:] = [states[source_rows] for states in projected[1:]]
        if layout is not None:
            projected = [layout.to_rows(states) for states in projected]
        query, key, value = (states.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for states in projected)
        context = attention(query, key, value, mask, self.dropout if self.training else 0.0)
        rows = context.transpose(1, 2).flatten(2)
        return rows if layout is None else layout.to_list(rows)


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

    def forward(
        self,
        hidden: Tensor,
        source: Tensor,
        mask: Tensor | None,
        layout: Ragged | None = None,
        source_rows: Tensor | None = None,
    ) -> Tensor:
        """Shapes as in QFormerAttention."""
        output: Tensor = self.output(self.attention(hidden, source, mask, layout, source_rows), hidden)
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
