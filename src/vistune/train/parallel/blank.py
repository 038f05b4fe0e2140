"""Micro-batches without pictures beside others with: under FSDP all processes go through the same layers."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vistune.data.batch import IGNORE
from vistune.model.vlm import VisionLanguageModel
from vistune.train.parallel.processes import Processes

_NONE, _FEATURES, _PIXELS = 0, 1, 2


class BlankImages:
    """Forward pre-hook of a sharded VisionLanguageModel.

    If another process has pictures in its micro-batch and this one has none, a row with a blank picture is added, of
    which nothing is learned. Putting a layer together takes all processes; one that left out the image encoder would
    let the others wait. Losses and gradients stay the same.
    """

    def __init__(self, model: VisionLanguageModel, processes: Processes) -> None:
        self._config = model.config
        self._processes = processes

    def __call__(self, module: nn.Module, args: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As torch calls it."""
        # Without gradients there is nothing to keep in step: all weights are here, see Spread.whole.
        if not torch.is_grad_enabled():
            return args, inputs
        own = _PIXELS if inputs.get("pixel_values") is not None else _NONE
        own = _FEATURES if inputs.get("image_features") is not None else own
        others = self._processes.most(own)
        if own == _NONE and others != _NONE:
            inputs = self._with_blank(inputs, others)
        return args, inputs

    def _with_blank(self, inputs: dict[str, Any], kind: int) -> dict[str, Any]:
        config = self._config
        device = inputs["input_ids"].device
        count = config.num_image_tokens
        rows = {
            "input_ids": _below(inputs["input_ids"], torch.full((count,), config.image_token_id), 0),
            "attention_mask": _below(inputs["attention_mask"], torch.ones(count), 0),
        }
        # Labels of a decoder-only model are as long as its inputs.
        both = inputs["labels"].shape == inputs["input_ids"].shape and inputs.get("target_segments") is None
        rows["labels"] = _below(inputs["labels"], torch.full((count if both else 1,), IGNORE), IGNORE)
        for name, length in (("segment_ids", count), ("target_segments", 1)):
            if inputs.get(name) is not None:
                rows[name] = _below(inputs[name], torch.ones(length), 0)
        if kind == _PIXELS:
            size = config.vision.backbone.image_size
            rows["pixel_values"] = torch.zeros(1, 3, size, size, device=device)
        else:
            rows["image_features"] = torch.zeros(
                1, config.vision.num_features, config.vision.feature_size, device=device
            )
        if config.instruction_aware:
            rows["instruction_ids"] = torch.zeros(1, 1, dtype=torch.long, device=device)
            rows["instruction_mask"] = torch.ones(1, 1, dtype=torch.long, device=device)
        names = inputs.get("sample_ids")
        return {**inputs, **rows, "sample_ids": None if names is None else [*names, "blank"]}


def _below(rows: Tensor, row: Tensor, padding: int) -> Tensor:
    """One more row, [B, L] -> [B + 1, max(L, len(row))]."""
    length = max(rows.shape[1], len(row))
    new = F.pad(row.to(rows), (0, length - len(row)), value=padding)
    return torch.cat([F.pad(rows, (0, length - rows.shape[1]), value=padding), new[None]])
