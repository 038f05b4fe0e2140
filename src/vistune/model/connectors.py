"""Connectors: from image features to inputs of the language model."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from vistune.model.config import ConnectorConfig
from vistune.model.qformer import QFormer


class QFormerConnector(nn.Module):
    """Learned queries through the Q-Former, then one Linear (LAVIS: llm_proj / t5_proj / opt_proj)."""

    def __init__(self, config: ConnectorConfig, output_size: int) -> None:
        super().__init__()
        if config.qformer is None:
            raise ValueError("A Q-Former connector needs ConnectorConfig.qformer.")
        self.config = config.qformer
        self.qformer = QFormer(self.config)
        self.query_tokens = nn.Parameter(torch.empty(1, self.config.num_query_tokens, self.config.hidden_size))
        nn.init.normal_(self.query_tokens, std=self.config.initializer_range)
        self.projection = nn.Linear(self.config.hidden_size, output_size, bias=config.bias)

    def forward(
        self, features: Tensor, instruction_ids: Tensor | None = None, instruction_mask: Tensor | None = None
    ) -> Tensor:
        """features [N, P, D]; instruction_ids, instruction_mask [N, L] -> [N, Q, output_size]"""
        if self.config.instruction_aware and instruction_ids is None:
            raise ValueError("This Q-Former reads the instruction; pass instruction_ids and instruction_mask.")
        if not self.config.instruction_aware:
            instruction_ids = instruction_mask = None
        queries = self.query_tokens.expand(features.shape[0], -1, -1)
        hidden = self.qformer(queries, features, instruction_ids, instruction_mask)
        # LAVIS and transformers keep the Q-Former in float32 beside half-precision neighbours.
        hidden = hidden[:, : queries.shape[1]].to(self.projection.weight.dtype)
        output: Tensor = self.projection(hidden)
        return output


class LinearConnector(nn.Module):
    """One Linear with bias (LLaVA, equation 1)."""

    def __init__(self, config: ConnectorConfig, input_size: int, output_size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(input_size, output_size, bias=config.bias)

    def forward(
        self, features: Tensor, instruction_ids: Tensor | None = None, instruction_mask: Tensor | None = None
    ) -> Tensor:
        """features [N, P, D] -> [N, P, output_size]; the instruction is not read"""
        output: Tensor = self.projection(features.to(self.projection.weight.dtype))
        return output


class MLPConnector(nn.Module):
    """Linear, activation, Linear (LLaVA-1.5 ``mlp2x_gelu``)."""

    def __init__(self, config: ConnectorConfig, input_size: int, output_size: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(input_size, output_size, bias=config.bias)
        self.activation = ACT2FN[config.hidden_act]
        self.linear_2 = nn.Linear(output_size, output_size, bias=config.bias)

    def forward(
        self, features: Tensor, instruction_ids: Tensor | None = None, instruction_mask: Tensor | None = None
    ) -> Tensor:
        """features [N, P, D] -> [N, P, output_size]; the instruction is not read"""
        output: Tensor = self.linear_2(self.activation(self.linear_1(features.to(self.linear_1.weight.dtype))))
        return output


def build_connector(config: ConnectorConfig, input_size: int, output_size: int) -> nn.Module:
    """The connector that the config names."""
    if config.type == "qformer":
        return QFormerConnector(config, output_size)
    connector = LinearConnector if config.type == "linear" else MLPConnector
    return connector(config, input_size, output_size)
