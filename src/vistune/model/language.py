"""Language models: whatever transformers' Auto classes build and takes ``inputs_embeds``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vistune.errors import InputError
from vistune.model.attention import ATTENTION_NAME, use_attention
from vistune.model.chunked_loss import chunked_losses
from vistune.model.language_head import LanguageHead
from vistune.model.segments import segment_mask, segment_positions, segment_starts

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

    def logits(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        segment_ids: Tensor | None = None,
        target_segments: Tensor | None = None,
    ) -> Tensor:
        """Logits at every position.

        Args:
            inputs_embeds: [B, L, d], attention_mask [B, L].
            labels: [B, T], only for encoder-decoders: the decoder reads them shifted right.
            segment_ids: [B, L] where rows hold several samples (vistune.model.segments); target_segments: [B, T], the
                samples of ``labels``, for encoder-decoders.

        Returns:
            [B, L, V] (decoder-only) or [B, T, V] (encoder-decoder)
        """
        if self.is_encoder_decoder:
            return self._decoder_logits(inputs_embeds, attention_mask, labels, segment_ids, target_segments)
        arguments = self._row_arguments(attention_mask, segment_ids)
        output: Tensor = self.model(inputs_embeds=inputs_embeds, use_cache=False, **arguments).logits
        return output

    def losses(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        targets: Tensor,
        segment_ids: Tensor | None = None,
        target_segments: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy where something is learned, with logits there alone and in chunks.

        Args:
            targets: [B, L] what each position predicts (decoder-only: labels, shifted), or [B, T] an encoder-decoder's
                labels; -100 where nothing is learned. Others: see :meth:`logits`.

        Returns:
            sum in float32, and [n] float32 of each learned token in reading order, detached
        """
        if self.is_encoder_decoder:
            hidden = self._decoder_hidden(inputs_embeds, attention_mask, targets, segment_ids, target_segments)
        else:
            arguments = self._row_arguments(attention_mask, segment_ids)
            decoder = self.model.get_decoder()
            hidden = decoder(inputs_embeds=inputs_embeds, use_cache=False, **arguments).last_hidden_state
        return chunked_losses(hidden, self.head(), targets)

    def head(self) -> nn.Module:
        """From the last hidden states to logits."""
        if self.is_encoder_decoder or not self._has_plain_head():
            return LanguageHead(self.model, self.is_encoder_decoder)
        head: nn.Module = self.model.get_output_embeddings()
        return head

    def _row_arguments(self, attention_mask: Tensor, segment_ids: Tensor | None) -> dict[str, Tensor]:
        """Mask and positions of a decoder-only model."""
        if segment_ids is None:
            return {"attention_mask": attention_mask, **self.position_arguments(attention_mask)}
        self._check_packable(segment_ids)
        mask = self.for_attention(segment_mask(segment_ids, segment_ids, causal=True))
        return {"attention_mask": mask, "position_ids": segment_positions(segment_ids)}

    def _decoder_logits(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None,
        segment_ids: Tensor | None,
        target_segments: Tensor | None,
    ) -> Tensor:
        """Logits of an encoder-decoder, [B, T, V], by its own forward."""
        if labels is None:
            raise ValueError("An encoder-decoder language model needs labels for its decoder; pass them.")
        if segment_ids is not None:
            hidden = self._decoder_hidden(inputs_embeds, attention_mask, labels, segment_ids, target_segments)
            logits: Tensor = self.head()(hidden.flatten(0, 1))
            return logits.unflatten(0, labels.shape)
        output: Tensor = self.model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            decoder_input_ids=self.model.prepare_decoder_input_ids_from_labels(labels=labels),
            use_cache=False,
        ).logits
        return output

    def _decoder_hidden(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        segment_ids: Tensor | None,
        target_segments: Tensor | None,
    ) -> Tensor:
        """Last hidden states of an encoder-decoder, [B, T, d]; packed rows have a mask each for encoder, decoder and
        between."""
        inputs = self.model.prepare_decoder_input_ids_from_labels(labels=labels)
        own = between = attention_mask
        causal = None
        if segment_ids is not None:
            if target_segments is None:
                raise ValueError(
                    "Packed rows of an encoder-decoder need target_segments beside segment_ids; pass both."
                )
            self._check_packable(segment_ids)
            # What stands before a target's first token is the start token, not the last token of the sample before.
            inputs = inputs.masked_fill(segment_starts(target_segments), int(self.config.decoder_start_token_id))
            own = self.for_attention(segment_mask(segment_ids, segment_ids))
            between = self.for_attention(segment_mask(target_segments, segment_ids))
            causal = self.for_attention(segment_mask(target_segments, target_segments, causal=True))
        encoded = self.model.get_encoder()(inputs_embeds=inputs_embeds, attention_mask=own).last_hidden_state
        output: Tensor = self.model.get_decoder()(
            input_ids=inputs,
            attention_mask=causal,
            encoder_hidden_states=encoded,
            encoder_attention_mask=between,
            use_cache=False,
        ).last_hidden_state
        return output

    def for_attention(self, mask: Tensor) -> Tensor:
        """A bool mask as this model's attention takes it: transformers' own ``eager`` adds it to the scores."""
        if self.model.config._attn_implementation != "eager":
            return mask
        dtype = self.model.get_input_embeddings().weight.dtype
        return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)

    @property
    def attends_in_beams(self) -> bool:
        """Whether its attention takes the keys and values of a prompt once for all beams."""
        return bool(self.model.config._attn_implementation == ATTENTION_NAME)

    def _check_packable(self, segment_ids: Tensor) -> None:
        problem = self.packing_problem
        window = getattr(self.config, "sliding_window", None)
        if problem is None and window is not None and segment_ids.shape[1] > window:
            problem = f"looks back {window} tokens only, fewer than the {segment_ids.shape[1]} of a row"
        if problem is not None:
            raise InputError(
                f"The language model ({self.config.model_type}) {problem}, so packed rows would mix samples; use "
                "padded batches, or shorter rows if it is their length."
            )

    @property
    def packing_problem(self) -> str | None:
        """Why rows of this model cannot hold several samples; None if they can."""
        if self.is_stateful:
            return "carries a state along the row"
        # Relative positions need no telling: distances within a sample do not depend on where it stands.
        relative = hasattr(self.config, "relative_attention_num_buckets")
        told = self._takes_positions and not getattr(self.config, "alibi", False)
        if not (told or (self.is_encoder_decoder and relative)):
            return "counts positions from the beginning of the row"
        return None

    def decode(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        cache: Any = None,
        last_only: bool = False,
        only: Tensor | None = None,
    ) -> tuple[Tensor, Any]:
        """One forward of a decoder-only model over a key/value cache.

        Args:
            inputs_embeds: [B, L, d]. positions: [B, L]. cache: transformers' Cache of S earlier tokens, or None.
            attention_mask: [B, S+L], or [B, 1, L, S+L] bool for any other order than one after the other.
            last_only: logits of the last column alone. only: [B, L] bool, logits of these alone.

        Returns:
            logits [B, L or 1, V], or [N, V] of N tokens in ``only``, and the grown cache
        """
        arguments: dict[str, Any] = {"inputs_embeds": inputs_embeds, "attention_mask": attention_mask}
        arguments.update(past_key_values=cache, use_cache=True)
        if self._takes_positions:
            arguments["position_ids"] = positions
        kept: Any = (slice(None), slice(-1, None) if last_only else slice(None)) if only is None else only
        if not self._has_plain_head():
            output = self.model(**arguments)
            return output.logits[kept], output.past_key_values
        output = self.model.get_decoder()(**arguments)
        return self.model.get_output_embeddings()(output.last_hidden_state[kept]), output.past_key_values

    @property
    def is_stateful(self) -> bool:
        """Whether the model carries a state along the row beside, or instead of, keys and values."""
        return bool(getattr(self.model, "_is_stateful", False))

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
