"""A conversation as pieces of text that are learned from or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# What the user says, and what the assistant answers: None at the end, where the model is to go on.
Turn = tuple[str, str | None]


@dataclass(frozen=True)
class Span:
    """A piece of text; ``learned``: whether the loss counts its tokens."""

    text: str
    learned: bool = False


class ConversationFormat(Protocol):
    """How turns become text."""

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> list[Span]:
        """The whole conversation in reading order.

        A learned piece begins where the prompt of inference ends and closes with what makes generation stop.

        Args:
            turns: at least one; ``<image>`` stands where a picture does.
            tokenizer: gives the texts of its bos and eos tokens; tells which special tokens it has.

        Raises:
            DataError: the turns or the tokenizer do not fit the format.
        """


def text_of(spans: Sequence[Span]) -> str:
    """All pieces as one text."""
    return "".join(span.text for span in spans)
