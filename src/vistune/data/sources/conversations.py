"""Conversations in LLaVA's JSON: {"id", "image", "conversations": [{"from": "human" or "gpt", "value"}, ...]}."""

from __future__ import annotations

from typing import Any

from vistune.data.bad_rows import BadRow, Reason, field_of

IMAGE = "<image>"
_HUMAN = frozenset({"human", "user"})
_ASSISTANT = frozenset({"gpt", "assistant", "chatgpt", "bing", "bard"})

Turns = tuple[tuple[str, str], ...]


def turns_of(record: Any) -> Turns:
    """What was said, as (user, assistant) pairs.

    As in LLaVA's own reader, what comes before the first words of the user is left out and the two must take turns;
    a last question without an answer is left out too.

    Raises:
        BadRow: no conversation, an unknown speaker, one who speaks twice in a row, or nothing that was answered.
    """
    said: list[str] = []
    for entry in field_of(record, "conversations", list):
        speaker, words = field_of(entry, "from", str).lower(), field_of(entry, "value", str)
        if speaker not in _HUMAN | _ASSISTANT | {"system"}:
            raise BadRow(Reason.MISSING_FIELD, f"the speaker is {speaker!r}, expected 'human' or 'gpt'.")
        wanted = _ASSISTANT if len(said) % 2 else _HUMAN
        if not said and speaker not in _HUMAN:
            continue
        if speaker not in wanted:
            raise BadRow(Reason.MISSING_FIELD, f"message {len(said) + 1} is by {speaker!r} again, expected turns.")
        said.append(words)
    if len(said) < 2:
        raise BadRow(Reason.EMPTY_ANSWER, "nothing in the conversation is answered, expected a question and an answer.")
    return tuple(zip(said[0::2], said[1::2], strict=False))


def with_image(turns: Turns, images: int) -> Turns:
    """The same with ``<image>`` in front of the first words where there are pictures but nothing says where."""
    if not images or any(IMAGE in asked for asked, _ in turns):
        return turns
    (asked, answered), *rest = turns
    return ((f"{IMAGE}\n" * images + asked, answered), *rest)
