"""Who judges: any endpoint that speaks OpenAI's protocol, or a model in this process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vistune.errors import InputError, JudgeError
from vistune.evaluate.judge.rules import Message

if TYPE_CHECKING:
    from openai import OpenAI

    from vistune.infer.predictor import Predictor

# Answers that are no JSON, or hold no text, are asked for again so often; the client itself retries what is known to
# pass: time-outs, broken connections, 408, 409, 429 and 5xx, with its back-off and the server's Retry-After.
_NONSENSE_TRIES = 3


@dataclass(frozen=True)
class Reply:
    """What a judge said, and how many tokens that took (None: it did not say)."""

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Sampling:
    """As published: temperature 0.2, at most 1024 tokens (llava/eval/eval_gpt_review_visual.py)."""

    temperature: float = 0.2
    max_tokens: int = 1024


class Judge(Protocol):
    """Anything that answers messages."""

    def __call__(self, messages: Sequence[Message]) -> Reply:
        """The answer.

        Raises:
            JudgeError: none can be had.
        """

    def settings(self) -> dict[str, Any]:
        """All that an answer depends on besides the messages, as JSON can hold it."""

    def close(self) -> None:
        """End what is under way."""


class Endpoint:
    """A model behind an OpenAI-compatible HTTP endpoint.

    Args:
        model: its name there. base_url: such as http://localhost:8000/v1; None: OpenAI's own.
        key_variable: environment variable with the key; servers of one's own often want none.
        timeout: seconds of one request. retries: of a request, with growing pauses.

    Raises:
        InputError: OpenAI's own endpoint without a key, or the package ``openai`` is missing.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        sampling: Sampling | None = None,
        timeout: float = 120.0,
        retries: int = 5,
    ) -> None:
        self._model = model
        self._base_url = base_url
        self._key_variable = key_variable
        self._sampling = sampling or Sampling()
        key = os.environ.get(key_variable, "")
        if not key and base_url is None:
            raise InputError(
                f"The judge {model!r} needs a key, but {key_variable} is not set; set it, or name a server of your "
                "own with --base-url."
            )
        self._client = _client(key or "none", base_url, timeout, retries)

    def __call__(self, messages: Sequence[Message]) -> Reply:
        """The model's answer; see `Judge`."""
        for _ in range(_NONSENSE_TRIES):
            reply = self._ask(messages)
            if reply is not None:
                return reply
            time.sleep(0.1)
        raise JudgeError(
            f"The judge {self._model!r} answered {_NONSENSE_TRIES} times with something that is no chat completion; "
            f"is {self._client.base_url} an OpenAI-compatible endpoint?"
        )

    def settings(self) -> dict[str, Any]:
        """Model, endpoint and sampling."""
        return {"model": self._model, "base_url": self._base_url, **asdict(self._sampling)}

    def close(self) -> None:
        """Close its connections, which ends requests that are under way."""
        self._client.close()

    def _ask(self, messages: Sequence[Message]) -> Reply | None:
        import openai

        request: Any = self._client.chat.completions.create
        try:
            answer = request(model=self._model, messages=list(messages), **asdict(self._sampling))
        except openai.APIStatusError as error:
            raise self._refused(error.status_code, error.message) from error
        except openai.APIConnectionError as error:
            raise JudgeError(
                f"The judge at {self._client.base_url} cannot be reached ({error.__cause__ or error}); check the "
                "address, or try again later: finished reviews are kept."
            ) from error
        except (openai.OpenAIError, ValueError):
            return None  # an answer that is no JSON
        return _read(answer)

    def _refused(self, status: int, words: str) -> JudgeError:
        hint = {
            401: f"check the key in {self._key_variable}",
            403: f"check what the key in {self._key_variable} may do",
            404: "check the model's name and the address",
            429: "ask fewer at once (--parallel), or go on later",
        }.get(status, "finished reviews are kept, run the same command again later" if status >= 500 else "correct it")
        return JudgeError(f"The judge {self._model!r} refused with HTTP {status} ({words[:200]}); {hint}.", status)


class LocalJudge:
    """A language model in this process; one question at a time.

    Args:
        predictor: of any vistune model; it is asked without a picture. name: in records. key: hash of its weights.
    """

    def __init__(self, predictor: Predictor, name: str, key: str = "", sampling: Sampling | None = None) -> None:
        self._predictor = predictor
        self._name = name
        self._key = key
        self._sampling = sampling or Sampling()
        self._lock = threading.Lock()

    def __call__(self, messages: Sequence[Message]) -> Reply:
        """The model's answer to the messages put together."""
        prompt = "\n\n".join(message["content"] for message in messages)
        wanted: dict[str, Any] = {"max_new_tokens": self._sampling.max_tokens}
        if self._sampling.temperature > 0:
            wanted |= {"temperature": self._sampling.temperature, "do_sample": True}
        with self._lock:
            [text] = self._predictor.generate([None], [prompt], **wanted)
        return Reply(text)

    def settings(self) -> dict[str, Any]:
        """Model and sampling."""
        return {"model": self._name, "key": self._key, **asdict(self._sampling)}

    def close(self) -> None:
        """Nothing: the answer under way is finished first."""


def _client(key: str, base_url: str | None, timeout: float, retries: int) -> OpenAI:
    try:
        from openai import OpenAI
    except ImportError as error:
        raise InputError("Judging over HTTP needs the package openai; `pip install 'vistune[eval]'`.") from error
    return OpenAI(api_key=key, base_url=base_url, timeout=timeout, max_retries=retries)


def _read(answer: Any) -> Reply | None:
    """The words of a completion; None where it is none."""
    try:
        text = answer.choices[0].message.content
    except (AttributeError, IndexError, TypeError):
        return None
    if not isinstance(text, str):
        return None
    usage = getattr(answer, "usage", None)
    return Reply(text, getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
