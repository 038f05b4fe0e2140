"""The messages of a request as a conversation: what the system says, turns, and the pictures in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vistune.serve.parameters import check_text
from vistune.serve.pictures import Picture
from vistune.serve.refusal import Refusal

Part = str | Picture
_SYSTEM = ("system", "developer")
# What clients send back of an answer: fine as long as it says nothing.
_EMPTY = ("annotations", "audio", "function_call", "name", "refusal", "tool_calls", "reasoning_content")


@dataclass(frozen=True)
class Conversation:
    """What was said so far.

    Args:
        system: words of system messages, "" for none.
        turns: what the user says, words and pictures in reading order, and the answer: None at the end.
    """

    system: str
    turns: tuple[tuple[tuple[Part, ...], str | None], ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures in reading order."""
        return tuple(part for said, _ in self.turns for part in said if isinstance(part, Picture))


def read_messages(messages: Any) -> Conversation:
    """Messages as a conversation. Neighbours of one role are one, with a newline between their words.

    Raises:
        Refusal: they are no list of messages, or none that a model could answer; the place is named.
    """
    if not isinstance(messages, list) or not messages:
        raise Refusal("messages is empty or no list; send at least one message of a user.", param="messages")
    system: list[str] = []
    turns: list[tuple[list[Part], str | None]] = []
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role, parts = _message(message, place)
        if role in _SYSTEM:
            if turns:
                raise Refusal(f"{place} is a system message behind others; put it first.", param=place)
            system.append(_words(parts))
        elif role == "user":
            if not turns or turns[-1][1] is not None:
                turns.append(([], None))
            turns[-1][0].extend(parts)
        else:
            if not turns:
                raise Refusal(f"{place} is an answer to nothing; a user's message comes before.", param=place)
            said, before = turns[-1]
            turns[-1] = (said, _words(parts) if before is None else f"{before}\n{_words(parts)}")
    return _checked("\n\n".join(text for text in system if text.strip()), turns)


def _checked(system: str, turns: Sequence[tuple[list[Part], str | None]]) -> Conversation:
    if not turns:
        raise Refusal("messages has no message of a user; send what is to be answered.", param="messages")
    if turns[-1][1] is not None:
        raise Refusal("The last message is the assistant's; end with one of the user.", param="messages")
    joined = tuple((_joined(said), answer) for said, answer in turns)
    for said, _ in joined:
        if not any(isinstance(part, str) and part.strip() for part in said):
            raise Refusal(
                "A message of the user has no words; say what you want to know about the picture.", param="messages"
            )
    return Conversation(system, joined)


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Neighbouring words as one part."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += "\n" + part
        else:
            joined.append(part)
    return tuple(joined)


def _message(message: Any, place: str) -> tuple[str, list[Part]]:
    if not isinstance(message, dict):
        raise Refusal(f"{place} is no object; expected one with role and content.", param=place)
    role = message.get("role")
    if role not in (*_SYSTEM, "user", "assistant"):
        raise Refusal(f"{place}.role is {repr(role)[:60]}; expected system, user or assistant.", param=f"{place}.role")
    for name in message.keys() - {"role", "content"}:
        if name not in _EMPTY or message[name]:
            raise Refusal(
                f"{place} has {name[:80]!r}, which this server cannot use; leave it out.", param=f"{place}.{name[:80]}"
            )
    parts = _content(message.get("content"), f"{place}.content")
    if role != "user" and any(isinstance(part, Picture) for part in parts):
        raise Refusal(f"{place} shows a picture as {role}; only users show pictures.", param=place)
    return role, parts


def _content(content: Any, place: str) -> list[Part]:
    if isinstance(content, str):
        return [check_text(content, place)]
    if not isinstance(content, list) or not content:
        raise Refusal(f"{place} is empty; expected words, or a list of parts of type text and image_url.", param=place)
    return [_part(part, f"{place}[{number}]") for number, part in enumerate(content)]


def _part(part: Any, place: str) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return check_text(part["text"], place)
    if kind == "image_url":
        return _picture(part.get("image_url"), place)
    raise Refusal(
        f"{place} is no part of type text or image_url" + (f" but {str(kind)[:40]!r}." if kind else "."), param=place
    )


def _picture(value: Any, place: str) -> Picture:
    inside: Mapping[str, Any] = {"url": value} if isinstance(value, str) else value if isinstance(value, dict) else {}
    url = inside.get("url")
    if not isinstance(url, str) or not url:
        raise Refusal(f"{place}.image_url has no url; expected data:image/png;base64,...", param=f"{place}.image_url")
    if inside.get("detail") not in (None, "auto"):
        raise Refusal(
            f"{place}.image_url.detail is {str(inside['detail'])[:20]!r}, but the model sees every picture at one "
            "size; leave it out.",
            param=f"{place}.image_url.detail",
            code="unsupported_parameter",
        )
    return Picture(check_text(url, place), place)


def _words(parts: Sequence[Part]) -> str:
    return "\n".join(part for part in parts if isinstance(part, str))
