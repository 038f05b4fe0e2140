"""Why a request is not answered: an HTTP status and one sentence, in the shape of OpenAI's errors."""

from __future__ import annotations

from typing import Any

from vistune.errors import VistuneError

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class Refusal(VistuneError):
    """A request that is not answered.

    Args:
        message: one sentence. status: of HTTP. param: the part of the request that is at fault.
        code: OpenAI's word for it, where programs look for one. retry_after: seconds until it is worth trying again.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The error as OpenAI's clients read it."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": _writable(self.param), "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """What HTTP says besides."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**headers, "WWW-Authenticate": "Bearer"} if self.status == 401 else headers


def _writable(param: str | None) -> str | None:
    """The name of a field may hold half a character, which no answer could be written with."""
    return param and param.encode(errors="backslashreplace").decode()
