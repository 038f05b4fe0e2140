"""VisionLanguageModel: image encoder, connector, language model. What differs between papers is in the config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vistune.errors import InputError
from vistune.model.config import ModelConfig
from vistune.model.connectors import build_connector
from vistune.model.language import LanguageModel
from vistune.model.losses import IGNORE, shift_labels, token_loss_sum
from vistune.model.segments import count_by_segment
from vistune.model.vision import VisionEncoder

if TYPE_CHECKING:
    from transformers import GenerationConfig


@dataclass
class VLMOutput:
    """A model's answer.

    Args:
        loss_sum: summed over learned tokens. num_tokens: their number (a tensor).
        logits: where they were asked for; else, with labels, token_losses: [n] float32, the loss of each learned token
            in reading order of the (shifted) labels, detached: whoever wants losses by sample or data set adds them.
    """

    loss_sum: Tensor | None
    num_tokens: Tensor | None
    logits: Tensor | None = None
    token_losses: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """Mean over the learned tokens of this batch."""
        if self.loss_sum is None or self.num_tokens is None:
            raise ValueError("This output has no loss because the model was called without labels; pass labels.")
        return self.loss_sum / self.num_tokens.clamp_min(1)


class VisionLanguageModel(nn.Module):
    """Images and text in, logits or loss out. See ModelConfig for the choices."""

    generation_config: GenerationConfig | None = None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = VisionEncoder(config.vision)
        self.connector = build_connector(config.connector, config.vision.feature_size, config.language_size)
        self.language = LanguageModel(config.language)

    @property
    def num_image_tokens(self) -> int:
        """Number of language-model positions that one image takes."""
        return self.config.num_image_tokens

    @property
    def device(self) -> torch.device:
        """Where the language model's embeddings live: inputs go there."""
        device: torch.device = self.language.model.get_input_embeddings().weight.device
        return device

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """pixel_values [N, 3, H, W] -> features [N, P, D], what a feature cache stores"""
        output: Tensor = self.vision(pixel_values)
        return output

    def connect(
        self, features: Tensor, instruction_ids: Tensor | None = None, instruction_mask: Tensor | None = None
    ) -> Tensor:
        """features [N, P, D], instruction [N, Lq] -> image embeddings [N, T, d]"""
        output: Tensor = self.connector(features, instruction_ids, instruction_mask)
        return output

    def embed_inputs(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        image_features: Tensor | None = None,
        instruction_ids: Tensor | None = None,
        instruction_mask: Tensor | None = None,
        sample_ids: Sequence[str] | None = None,
        segment_ids: Tensor | None = None,
        before_norm: bool = False,
    ) -> Tensor:
        """Input embeddings with the images in their places.

        Args:
            input_ids: [B, L]; ``config.image_token_id`` stands T times for each image, in reading order.
            pixel_values: [N, 3, H, W], or image_features [N, P, D] from :meth:`encode_images`; neither for text alone.
            instruction_ids, instruction_mask: [N, Lq] for an instruction-aware connector, one row an image.
            before_norm: image_features are those from before the encoder's last norm, which may be learning.
            sample_ids: names of the rows for error messages; of the samples where ``segment_ids`` [B, L] packs several
                into a row (see vistune.model.segments).

        Returns:
            [B, L, d]
        """
        is_image = input_ids == self.config.image_token_id
        embeds = self.language.embed(input_ids.masked_fill(is_image, 0))
        if image_features is None and pixel_values is not None:
            image_features = self.encode_images(pixel_values)
        elif image_features is not None and before_norm:
            image_features = self.vision.finish(image_features)
        num_images = 0 if image_features is None else image_features.shape[0]
        self._check_placeholders(is_image, num_images, sample_ids, segment_ids)
        if image_features is None:
            return embeds
        image_embeds = self.connect(image_features, instruction_ids, instruction_mask)
        # Autocast, or a Q-Former kept in float32, can make the two differ; the language model's own dtype wins.
        return embeds.masked_scatter(is_image[..., None], image_embeds.to(embeds.dtype))

    def _check_placeholders(
        self, is_image: Tensor, num_images: int, sample_ids: Sequence[str] | None, segment_ids: Tensor | None
    ) -> None:
        per_image = self.num_image_tokens
        counts = is_image.sum(1).tolist() if segment_ids is None else count_by_segment(is_image, segment_ids)
        names = sample_ids or [f"row {row}" for row in range(len(counts))]
        for name, count in zip(names, counts, strict=True):
            if count % per_image:
                raise InputError(
                    f"Sample {name} has {count} image placeholders, but every image takes {per_image}: expected a "
                    f"multiple of {per_image}; prepare the prompt with this checkpoint's own processor."
                )
        if sum(counts) != num_images * per_image:
            described = ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True))
            raise InputError(
                f"The batch holds {num_images} images of {per_image} embeddings, expected {num_images * per_image} "
                f"image placeholders but got {sum(counts)} ({described}); give one <image> for each image."
            )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_features: Tensor | None = None,
        instruction_ids: Tensor | None = None,
        instruction_mask: Tensor | None = None,
        sample_ids: Sequence[str] | None = None,
        segment_ids: Tensor | None = None,
        target_segments: Tensor | None = None,
        before_norm: bool = False,
        return_logits: bool = False,
    ) -> VLMOutput:
        """Loss over the labels, and logits if asked for (always without labels).

        Args:
            attention_mask: [B, L]. labels: [B, L] (decoder-only) or [B, T] (encoder-decoder), -100 = not learned.
            segment_ids: [B, L] where rows hold several samples each: none sees another, positions begin again, and the
                loss is that of the samples alone. target_segments: [B, T], the same for an encoder-decoder's labels.
            return_logits: all logits, [B, L, V] or [B, T, V]; without it only learned positions are computed.
            Others: see :meth:`embed_inputs`.
        """
        embeds = self.embed_inputs(
            input_ids,
            pixel_values,
            image_features,
            instruction_ids,
            instruction_mask,
            sample_ids,
            segment_ids,
            before_norm,
        )
        packing = {"segment_ids": segment_ids, "target_segments": target_segments}
        if labels is None:
            return VLMOutput(None, None, self.language.logits(embeds, attention_mask, **packing))
        encoder_decoder = self.language.is_encoder_decoder
        targets = labels if encoder_decoder else shift_labels(labels, segment_ids)
        num_tokens = (targets != IGNORE).sum()
        if not return_logits:
            loss_sum, token_losses = self.language.losses(embeds, attention_mask, targets, **packing)
            return VLMOutput(loss_sum, num_tokens, token_losses=token_losses)
        logits = self.language.logits(embeds, attention_mask, labels if encoder_decoder else None, **packing)
        return VLMOutput(token_loss_sum(logits, targets), num_tokens, logits)
