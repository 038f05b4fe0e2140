"""One answer that somebody waits for, and what is told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from vistune.data.batch import Encoded
    from vistune.infer.settings import Settings

Reason = Literal["stop", "length"]


@dataclass(frozen=True)
class Piece:
    """The next words of an answer."""

    text: str


@dataclass(frozen=True)
class Finished:
    """A whole answer. ``tokens``: that the model wrote, the closing one included. ``reason``: its end."""

    text: str
    tokens: int
    reason: Reason


@dataclass(frozen=True)
class Failed:
    """No answer, or none any more."""

    error: Exception


Event = Piece | Finished | Failed


@dataclass(frozen=True, eq=False)
class Job:
    """One answer to write.

    Args:
        sample: the prompt. settings: with ``max_new_tokens`` and ``min_new_tokens`` set.
        number: of its stream of random numbers. stream: whether pieces are wanted.
        tell: called with every event, from the model's thread. cancelled: set when nobody waits any more.
    """

    sample: Encoded
    settings: Settings
    number: int
    stream: bool
    tell: Callable[[Event], None]
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def searches(self) -> bool:
        """Whether the whole answer is looked at, so that length and stop strings of a batch must agree (beams)."""
        config = self.settings.config
        return (config.num_beams or 1) > 1 or config.forced_eos_token_id is not None

    @cached_property
    def kind(self) -> tuple[Any, ...]:
        """Jobs of one kind may share a batch."""
        settings = self.settings
        ends = (settings.max_new_tokens, settings.stop) if self.searches else ()
        config = settings.config.to_json_string()
        return (config, settings.sample, settings.seed, settings.min_new_tokens, settings.answer_penalty, ends)
