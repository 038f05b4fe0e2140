"""Answers in the words of OpenAI's protocol: a completion, or the chunks of a stream."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vistune.serve.jobs import Finished

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Reply:
    """One request's answer, under one id. ``prompt_tokens``: counted once, however many answers there are."""

    model: str
    prompt_tokens: int
    include_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def usage(self, answers: Mapping[int, Finished]) -> dict[str, int]:
        """Tokens read and written."""
        written = sum(answer.tokens for answer in answers.values())
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written,
        }

    def completion(self, answers: Mapping[int, Finished]) -> dict[str, Any]:
        """All answers at once."""
        choices = [
            {
                "index": number,
                "message": {"role": "assistant", "content": answer.text, "refusal": None},
                "logprobs": None,
                "finish_reason": answer.reason,
            }
            for number, answer in sorted(answers.items())
        ]
        return {**self._head("chat.completion"), "choices": choices, "usage": self.usage(answers)}

    def begin(self, number: int) -> bytes:
        """The chunk in front of an answer."""
        return self._chunk(number, {"role": "assistant", "content": ""})

    def piece(self, number: int, text: str) -> bytes:
        """A chunk of an answer."""
        return self._chunk(number, {"content": text})

    def end(self, number: int, answer: Finished) -> bytes:
        """The chunk behind an answer."""
        return self._chunk(number, {}, answer.reason)

    def usage_chunk(self, answers: Mapping[int, Finished]) -> bytes:
        """What `stream_options.include_usage` asks for, behind all answers."""
        return event({**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage(answers)})

    def _chunk(self, number: int, delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": None, "finish_reason": reason}
        usage = {"usage": None} if self.include_usage else {}
        return event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def event(content: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"
