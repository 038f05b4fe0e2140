"""Image encoders: any vision model of transformers, and the choice of the features to read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vistune.model.attention import use_attention
from vistune.model.config import VisionConfig


class VisionEncoder(nn.Module):
    """A vision model of transformers (EVA ViT-g of BLIP-2, CLIP, SigLIP, ...) and its feature choice."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = _build_backbone(config)
        norm = getattr(self.backbone, "post_layernorm", None)
        if config.norm_eps is not None and isinstance(norm, nn.LayerNorm):
            norm.eps = config.norm_eps

    def forward(self, pixel_values: Tensor) -> Tensor:
        """pixel_values [N, 3, H, W] -> features [N, P, D] (P: ModelConfig.vision.num_features)"""
        self._check_size(pixel_values)
        layer = self.config.feature_layer
        dtype = next(self.backbone.parameters()).dtype
        output = self.backbone(
            pixel_values=pixel_values.to(dtype), output_hidden_states=layer is not None, return_dict=True
        )
        if layer is None:
            chosen = [output.last_hidden_state]
        else:
            chosen = [output.hidden_states[index] for index in (layer if isinstance(layer, tuple) else (layer,))]
        if self.config.has_cls and not self.config.keep_cls:
            chosen = [states[:, 1:] for states in chosen]
        return torch.cat(chosen, dim=-1) if len(chosen) > 1 else chosen[0]

    @property
    def final_norm(self) -> nn.Module | None:
        """The last norm (ln_vision of BLIP-2) if the features are what it gives, else None."""
        if self.config.feature_layer is not None:
            return None
        norm: nn.Module | None = getattr(self.backbone, "post_layernorm", None)
        return norm

    def finish(self, features: Tensor) -> Tensor:
        """Features [N, P, D] of before the last norm -> those after it."""
        norm = self.final_norm
        if norm is None:
            raise ValueError("This image encoder's features come from no final norm; pass them with before_norm=False.")
        output: Tensor = norm(features.to(next(norm.parameters()).dtype))
        return output

    def _check_size(self, pixel_values: Tensor) -> None:
        size = int(self.config.backbone.image_size)
        if pixel_values.ndim != 4 or tuple(pixel_values.shape[-2:]) != (size, size):
            raise ValueError(
                f"pixel_values has shape {tuple(pixel_values.shape)}; expected [N, 3, {size}, {size}] for this "
                "image encoder: prepare images with this checkpoint's own processor."
            )


def _build_backbone(config: VisionConfig) -> nn.Module:
    """AutoModel for most; the Q-Former papers' ViTs are known to AutoModel only inside their whole models."""
    from transformers import AutoModel, Blip2VisionModel, InstructBlipVisionModel

    own: dict[str, Any] = {
        "blip_2_vision_model": Blip2VisionModel,
        "instructblip_vision_model": InstructBlipVisionModel,
    }
    kind = config.backbone.model_type
    backbone: nn.Module = (own[kind]._from_config if kind in own else AutoModel.from_config)(config.backbone)
    use_attention(backbone)
    return backbone
