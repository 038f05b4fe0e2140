"""The fields of a chat request: read, checked, or refused by name; nothing is ignored in silence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vistune.serve.refusal import Refusal

MAX_STOPS = 16
"""Stop strings of a request; each is looked for after every token."""
MAX_STOP_LENGTH = 256
"""Characters of one; the end of a stream is compared to each of its beginnings."""
LEAST_TEMPERATURE = 1e-20
"""Scores divided by less are no numbers any more."""

# Fields of the protocol that this server cannot serve, with the values that ask for nothing.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
# They name the caller or the request and have nothing to do with the answer.
_LABELS = ("metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user")


@dataclass(frozen=True)
class Wanted:
    """What a request asks for besides its messages.

    Args:
        model: name. max_tokens: None where the request does not say. n: answers.
        sampling: arguments of `vistune.infer.settings.Arguments`. seed: None where any will do.
        stream, include_usage: how the answer is sent.
    """

    model: str
    max_tokens: int | None = None
    n: int = 1
    sampling: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        Refusal: it is none.
    """
    try:
        fields = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"The body is no JSON ({str(error)[:120] or 'nested too deeply'}); send one object.") from error
    if not isinstance(fields, dict):
        raise Refusal(f"The body is {_shown(fields)}; expected a JSON object with model and messages.")
    return fields


def read_wanted(fields: Mapping[str, Any], max_n: int) -> Wanted:
    """The parameters of a request.

    Raises:
        Refusal: unknown, out of range, or more than this server can do; the parameter is named.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    _refuse_the_rest(given)
    stream = _read(given, "stream", bool, False)
    options = _read(given, "stream_options", dict, {})
    if options and not stream:
        raise Refusal("stream_options is for streams; set stream to true or leave it out.", param="stream_options")
    if unknown := set(options) - {"include_usage", "include_obfuscation"}:
        raise _unknown(f"stream_options.{min(unknown)}")
    if options.get("include_obfuscation"):
        raise Refusal("include_obfuscation is not supported; leave it out.", param="stream_options.include_obfuscation")
    model = given.get("model")
    if not isinstance(model, str):
        raise Refusal(f"model is {_shown(model)}; expected the name of the model, see GET /v1/models.", param="model")
    return Wanted(
        model=model,
        max_tokens=_max_tokens(given),
        n=_whole(given, "n", 1, max_n) or 1,
        sampling=_sampling(given),
        seed=_whole(given, "seed", -(2**63), 2**63 - 1),
        stop=_stop(given),
        stream=stream,
        include_usage=_read(options, "include_usage", bool, False, "stream_options.include_usage"),
    )


def _refuse_the_rest(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in _NEUTRAL:
            if value not in _NEUTRAL[name]:
                raise Refusal(
                    f"{name} is {_shown(value)}, which this server cannot do; leave it out.",
                    param=name,
                    code="unsupported_parameter",
                )
        elif name not in _LABELS and name not in _KNOWN:
            raise _unknown(name)


_KNOWN = frozenset(
    (
        *("messages", "model", "n", "max_tokens", "max_completion_tokens", "seed", "stop", "stream", "stream_options"),
        *("temperature", "top_p", "top_k", "repetition_penalty"),
    )
)


def _unknown(name: str) -> Refusal:
    return Refusal(
        f"There is no parameter {name[:80]!r} in a chat request; check its name or leave it out.",
        param=name[:80],
        code="unknown_parameter",
    )


def _sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    """temperature, top_p, top_k, repetition_penalty in our own words; a request that samples does not search."""
    found = {
        "temperature": _number(given, "temperature", 0, 100, "a number from 0 on"),
        "top_p": _number(given, "top_p", 1e-9, 1, "a number above 0 and at most 1"),
        "top_k": _whole(given, "top_k", 0, 2**31),
        "repetition_penalty": _number(given, "repetition_penalty", 1e-3, 100, "a number above 0, 1 is none"),
    }
    if 0 < (found["temperature"] or 0) < LEAST_TEMPERATURE:
        raise Refusal(
            f"temperature is {_shown(found['temperature'])}, too small to divide by; send 0 for the likeliest words.",
            param="temperature",
        )
    if found["top_p"] == 1 and found["temperature"] is None:
        # Many clients always send it; alone it asks for nothing.
        found["top_p"] = None
    sampling = {name: value for name, value in found.items() if value is not None}
    if sampling.get("temperature") != 0 and sampling.keys() & {"temperature", "top_p", "top_k"}:
        sampling["num_beams"] = 1
    return sampling


def _max_tokens(given: Mapping[str, Any]) -> int | None:
    new, old = (_whole(given, name, 1, 2**31) for name in ("max_completion_tokens", "max_tokens"))
    if new is not None and old is not None and new != old:
        raise Refusal(
            f"max_tokens is {old} and max_completion_tokens is {new}; send one of them.", param="max_completion_tokens"
        )
    return old if new is None else new


def _stop(given: Mapping[str, Any]) -> tuple[str, ...]:
    value = given.get("stop", [])
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(text, str) and text for text in stops):
        raise Refusal(f"stop is {_shown(value)}; expected a non-empty string or a list of them.", param="stop")
    if len(stops) > MAX_STOPS:
        raise Refusal(f"stop has {len(stops)} strings; expected at most {MAX_STOPS}.", param="stop")
    for text in stops:
        if len(check_text(text, "stop")) > MAX_STOP_LENGTH:
            raise Refusal(
                f"stop has a string of {len(text)} characters; expected at most {MAX_STOP_LENGTH}.", param="stop"
            )
    return tuple(stops)


def _whole(given: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        expected = f"from {least} to {most}" if most < 2**31 else f"from {least} on" if least >= 0 else "of 64 bits"
        raise Refusal(f"{name} is {_shown(value)}; expected a whole number {expected}.", param=name)
    return value


def _number(given: Mapping[str, Any], name: str, least: float, most: float, expected: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    good = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    if not good or not math.isfinite(value):
        raise Refusal(f"{name} is {_shown(value)}; expected {expected}.", param=name)
    return value


def _read(given: Mapping[str, Any], name: str, kind: type, default: Any, param: str | None = None) -> Any:
    value = given.get(name)
    value = default if value is None else value
    if not isinstance(value, kind):
        expected = {bool: "true or false", dict: "an object"}[kind]
        raise Refusal(f"{param or name} is {_shown(value)}; expected {expected}.", param=param or name)
    return value


def check_text(text: str, param: str) -> str:
    """The text, if it can be written down.

    Raises:
        Refusal: it holds half a character (a lone surrogate), which no tokenizer reads.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refusal(
            f"{param} has half a character at place {error.start} (a lone surrogate); send whole ones.", param=param
        ) from error
    return text


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
