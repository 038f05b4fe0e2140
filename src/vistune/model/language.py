"""Language models: whatever transformers' Auto classes build and takes ``inputs_embeds``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from vistune.model.attention import use_attention

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class LanguageModel(nn.Module):
    """A decoder-only or encoder-decoder model of transformers behind one face."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

        self.config = config
        self.is_encoder_decoder = bool(config.is_encoder_decoder)
        auto = AutoModelForSeq2SeqLM if self.is_encoder_decoder else AutoModelForCausalLM
        self.model: Any = auto.from_config(config)
        use_attention(self.model)
        self._takes_positions = "position_ids" in inspect.signature(self.model.forward).parameters

    def embed(self, input_ids: Tensor) -> Tensor:
        """input_ids [B, L] -> [B, L, d]"""
        output: Tensor = self.model.get_input_embeddings()(input_ids)
        return output

    def position_arguments(self, attention_mask: Tensor) -> dict[str, Tensor]:
        """Positions that count real tokens only, so that padding on either side changes nothing. mask [B, L]"""
        if not self._takes_positions:
            return {}
        return {"position_ids": (attention_mask.long().cumsum(-1) - 1).clamp_min(0)}

    def logits(self, inputs_embeds: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits at every position.

        Args:
            inputs_embeds: [B, L, d], attention_mask [B, L].
            labels: [B, T], only for encoder-decoders: the decoder reads them shifted right.

        Returns:
            [B, L, V] (decoder-only) or [B, T, V] (encoder-decoder)
        """
        arguments: dict[str, Any] = {"inputs_embeds": inputs_embeds, "attention_mask": attention_mask}
        if self.is_encoder_decoder:
            if labels is None:
                raise ValueError("An encoder-decoder language model needs labels for its decoder; pass them.")
            arguments["decoder_input_ids"] = self.model.prepare_decoder_input_ids_from_labels(labels=labels)
        else:
            arguments.update(self.position_arguments(attention_mask))
        output: Tensor = self.model(**arguments, use_cache=False).logits
        return output

    def learned_logits(self, inputs_embeds: Tensor, attention_mask: Tensor, learned: Tensor) -> Tensor:
        """Logits of a decoder-only model only where ``learned`` [B, L] (bool) is True -> [number of True, V].

        Models that do more than one Linear on top (soft-capped or scaled logits) compute all and pick.
        """
        if not self._has_plain_head():
            return self.logits(inputs_embeds, attention_mask)[learned]
        hidden = self.model.get_decoder()(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            use_cache=False,
            **self.position_arguments(attention_mask),
        ).last_hidden_state
        output: Tensor = self.model.get_output_embeddings()(hidden[learned])
        return output

    def decode(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        cache: Any = None,
        last_only: bool = False,
    ) -> tuple[Tensor, Any]:
        """One forward of a decoder-only model over a key/value cache.

        Args:
            inputs_embeds: [B, L, d]. positions: [B, L]. cache: transformers' Cache of S earlier tokens, or None.
            attention_mask: [B, S+L], or [B, 1, L, S+L] bool for any other order than one after the other.
            last_only: logits of the last column alone.

        Returns:
            logits [B, L or 1, V] and the grown cache
        """
        arguments: dict[str, Any] = {"inputs_embeds": inputs_embeds, "attention_mask": attention_mask}
        arguments.update(past_key_values=cache, use_cache=True)
        if self._takes_positions:
            arguments["position_ids"] = positions
        kept = slice(-1, None) if last_only else slice(None)
        if not self._has_plain_head():
            output = self.model(**arguments)
            return output.logits[:, kept], output.past_key_values
        output = self.model.get_decoder()(**arguments)
        return self.model.get_output_embeddings()(output.last_hidden_state[:, kept]), output.past_key_values

    @property
    def takes_positions(self) -> bool:
        """Whether the model is told positions (so that a tree of continuations can lie in one row)."""
        return self._takes_positions

    def _has_plain_head(self) -> bool:
        special = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
        return (
            all(getattr(self.config, name, None) is None for name in special)
            and type(self.model.get_output_embeddings()) is nn.Linear
        )
