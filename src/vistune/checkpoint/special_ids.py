"""Ids of bos, eos and pad: where config and tokenizer contradict each other, the tokenizer is right.

The released InstructBLIP-Vicuna folders say bos 0, eos 1, pad -1 in their language config, ids of ``<unk>`` and
``<s>``; their tokenizer says ``</s>`` (2) for bos and eos and a new ``[PAD]`` (32000), as LAVIS trained them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedConfig

logger = logging.getLogger(__name__)

_ROLES = ("bos", "eos", "pad")


def repair_language_config(config: PreTrainedConfig, tokenizer: Any) -> dict[str, tuple[Any, Any]]:
    """Correct the ids of a language model's config in place; returns {name: (was, is)} of what was changed."""
    changes = {}
    for role in _ROLES:
        name = f"{role}_token_id"
        value = getattr(config, name, None)
        if value is None:
            continue
        wanted = corrected(role, value, tokenizer)
        if role == "pad" and wanted is not None and wanted >= config.vocab_size:
            wanted = None  # nn.Embedding refuses a padding row that it does not have
        if wanted != value:
            setattr(config, name, wanted)
            changes[name] = (value, wanted)
    return changes


def repair_generation_config(config: GenerationConfig, tokenizer: Any) -> dict[str, tuple[Any, Any]]:
    """The same for a generation config; ids that it leaves open are filled in."""
    changes = {}
    for role in _ROLES:
        name = f"{role}_token_id"
        value = getattr(config, name, None)
        wanted = getattr(tokenizer, name) if value is None else corrected(role, value, tokenizer)
        if wanted != value:
            setattr(config, name, wanted)
            if value is not None:
                changes[name] = (value, wanted)
    return changes


def corrected(role: str, value: int | list[int], tokenizer: Any) -> int | list[int] | None:
    """The id (or ids) to use for ``role`` where a config says ``value``."""
    own = getattr(tokenizer, f"{role}_token_id")
    values = value if isinstance(value, list) else [value]
    valid = all(0 <= number < len(tokenizer) for number in values)
    if own is None:
        return value if valid else None
    if valid and (own in values or (role == "eos" and _ends_a_line(values, tokenizer))):
        return value
    return int(own)


def _ends_a_line(values: list[int], tokenizer: Any) -> bool:
    """BLIP-2 with OPT stops at a newline (LAVIS blip2_opt.py), which is a choice and no contradiction."""
    return all(number not in tokenizer.all_special_ids and not tokenizer.decode([number]).strip() for number in values)


def report(changes: dict[str, tuple[Any, Any]], where: str) -> None:
    """Say once what was repaired."""
    if changes:
        told = ", ".join(f"{name} {was} -> {now}" for name, (was, now) in changes.items())
        logger.warning("%s: the config contradicts the tokenizer, the tokenizer's ids are used: %s", where, told)
