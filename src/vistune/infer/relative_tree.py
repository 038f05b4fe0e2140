"""Tries of candidates in the decoder of a T5.

T5 knows distances, not positions: what it adds to the scores of attention is looked up here by the depths of two nodes
instead of by their places in the row. The cross-attention's keys and values are computed once a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vistune.infer.caches import make_encoder_decoder_cache
from vistune.infer.tree import Nodes

if TYPE_CHECKING:
    from vistune.infer.levels import EncodedPrompts
    from vistune.model.language import LanguageModel


def takes_relative_trees(language: LanguageModel) -> bool:
    """Whether the decoder is T5's, whose first block computes for all blocks what distances add."""
    return language.is_encoder_decoder and language.config.model_type == "t5"


class RelativeReader:
    """Nodes in the rows of a T5's decoder, behind the start token."""

    def __init__(self, language: LanguageModel, state: EncodedPrompts) -> None:
        self.first = state.first
        self._language = language
        self._state = state
        self._cache = make_encoder_decoder_cache(state.self_pairs, state.cross_pairs)
        # Of the start token and the nodes read so far, [B, 1 + S].
        self._positions = torch.zeros(len(state.first), 1, dtype=torch.long, device=state.first.device)

    def read(self, nodes: Nodes) -> Sequence[Tensor]:
        """See vistune.infer.tree.Reader."""
        language, state = self._language, self._state
        decoder: Any = language.model.get_decoder()
        positions = nodes.depths + 1
        self._positions = torch.cat([self._positions, positions], dim=1)
        bias = _distances(decoder, positions, self._positions)
        own = language.for_attention(F.pad(nodes.seen, (1, 0), value=True)[:, None])
        between = language.for_attention(state.mask.bool()[:, None, None, :].expand(-1, -1, nodes.width, -1))
        hidden, no_bias = language.embed(nodes.tokens), None
        for block in decoder.block:
            hidden, _, no_bias = block(hidden, own, bias, state.states, between, no_bias, past_key_values=self._cache)
        logits = language.head()(decoder.final_layer_norm(hidden[nodes.real]))
        return nodes.by_row(logits.float().log_softmax(-1))


def _distances(decoder: Any, positions: Tensor, earlier: Tensor) -> Tensor:
    """Positions of queries [B, W] and keys [B, S] -> what is added to their scores, [B, H, W, S]"""
    length = int(earlier.max()) + 1
    table = decoder.block[0].layer[0].SelfAttention.compute_bias(length, length)[0]
    return table[:, positions[:, :, None], earlier[:, None, :]].transpose(0, 1)
