"""Conversation formats by name."""

from __future__ import annotations

from collections.abc import Mapping

from vistune.data.formats.published import (
    SYSTEM_CHATML,
    SYSTEM_HUMAN,
    SYSTEM_LLAMA_2,
    SYSTEM_LLAVA_LLAMA_2,
    SYSTEM_MPT,
    SYSTEM_USER,
    ChatMl,
    Instruct,
    Plain,
    Single,
    Two,
)
from vistune.data.formats.spans import ConversationFormat
from vistune.errors import RecipeError

CHAT_TEMPLATE = "chat_template"
"""The checkpoint's own chat template."""

NONE = "none"
"""No roles: the prompt as it is and the answer behind it, tokenised apart, as InstructBLIP does."""

FORMATS: Mapping[str, ConversationFormat] = {
    "plain": Plain(),
    "v0": Single(SYSTEM_HUMAN),
    "v1": Two(SYSTEM_USER),
    "llava_v1": Two(SYSTEM_HUMAN),
    "llama_2": Instruct(SYSTEM_LLAMA_2),
    "llava_llama_2": Instruct(SYSTEM_LLAVA_LLAMA_2),
    "mistral_instruct": Instruct(with_bos=False),
    "mpt": ChatMl(SYSTEM_MPT),
    "chatml": ChatMl(SYSTEM_CHATML),
}
"""LLaVA's. v1 has the system prompt of training and evaluation, llava_v1 that of the release's demo."""

_ALIASES = {
    "v0_plain": "plain",
    "llava_v0": "v0",
    "vicuna_v1": "v1",
    "chatml_direct": "chatml",
    "mistral_direct": "chatml",
}


def format_names() -> list[str]:
    """Every name that a recipe may give."""
    return sorted([*FORMATS, *_ALIASES, CHAT_TEMPLATE, NONE])


def canonical(name: str) -> str:
    """The name with LLaVA's other names for the same format resolved.

    Raises:
        RecipeError: no such format.
    """
    resolved = _ALIASES.get(name, name)
    if resolved not in FORMATS and resolved not in (CHAT_TEMPLATE, NONE):
        from vistune.data.strict_yaml import nearest

        hint = nearest(name, format_names())
        raise RecipeError(
            f"There is no conversation format {name!r}{hint}; expected one of {', '.join(format_names())}."
        )
    return resolved


def get_format(name: str) -> ConversationFormat:
    """A published format by its name.

    Raises:
        RecipeError: no such format, or one that needs the checkpoint (chat_template, none).
    """
    resolved = canonical(name)
    if resolved not in FORMATS:
        raise RecipeError(f"The format {name!r} is the checkpoint's own; take it from its processor.")
    return FORMATS[resolved]
