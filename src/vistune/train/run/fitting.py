"""Small things that make a model and its processor fit what a stage asks of them."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import torch

from vistune.data.formats.registry import canonical

if TYPE_CHECKING:
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel
    from vistune.train.run.model.assembly import Assembly

# What LLaVA's v0 closes an answer with.
_STOPS = {"v0": ["###"]}


def small_ones_exact(model: torch.nn.Module) -> None:
    """Norms and biases in float32: checkpoints store them in few bits too, and products take them in one dtype only."""
    for parameter in model.parameters():
        if parameter.is_floating_point() and parameter.ndim < 2:
            parameter.data = parameter.data.float()


def set_stops(model: VisionLanguageModel, format: str | None) -> None:
    """Let the model's answers end where its conversation format closes them with words instead of a token."""
    stops = _STOPS.get(canonical(format)) if format is not None else None
    if stops is not None and model.generation_config is not None:
        model.generation_config.stop_strings = stops


def dtype_of(name: str) -> torch.dtype:
    """torch's dtype of a precision."""
    found: torch.dtype = getattr(torch, name)
    return found


def shortened_processor(assembly: Assembly, max_instruction_tokens: int | None) -> Processor:
    """The model's processor, whose Q-Former reads so much of an instruction (LAVIS: max_txt_len)."""
    whole = assembly.whole_processor
    if max_instruction_tokens is None:
        return whole
    shortened = copy(whole)
    shortened.max_instruction_tokens = min(whole.max_instruction_tokens, max_instruction_tokens)
    return shortened
