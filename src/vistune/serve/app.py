"""The paths of the server and what they have in common: the key, errors in OpenAI's shape, figures."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import Executor
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vistune.serve.chat import CLIENT_GONE, Chat, ClientGoneError, unknown_model
from vistune.serve.engine import Engine
from vistune.serve.metrics import Metrics
from vistune.serve.refusal import Refusal

_PATHS = ("/v1/chat/completions", "/v1/models", "/health", "/metrics")


def make_app(engine: Engine, name: str, threads: Executor, metrics: Metrics, key: str = "") -> tuple[FastAPI, Chat]:
    """The application, and what answers its chat requests once the model is there.

    Args:
        name: of the model in requests. key: that requests must bring; "" for none.
    """
    app = FastAPI(title="vistune", docs_url=None, redoc_url=None, openapi_url=None)
    chat = Chat(engine, name, threads, metrics)
    model = {"id": name, "object": "model", "created": int(time.time()), "owned_by": "vistune"}

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [model]})

    async def one_model(request: Request) -> Response:
        if request.path_params["name"] != name:
            raise unknown_model(request.path_params["name"], name)
        return JSONResponse(model)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": engine.state}, 200 if engine.state == "ready" else 503)

    async def figures(request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_route("/v1/chat/completions", chat.answer, methods=["POST"])
    app.add_route("/v1/models", models, methods=["GET"])
    app.add_route("/v1/models/{name:path}", one_model, methods=["GET"])
    app.add_route("/health", health, methods=["GET"])
    app.add_route("/metrics", figures, methods=["GET"])
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientGoneError, _gone)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(_Gate, key=key, metrics=metrics)
    return app, chat


class _Gate:
    """Around everything: asks for the key, and counts what came of each request."""

    def __init__(self, app: Callable[..., Any], key: str, metrics: Metrics) -> None:
        self._app = app
        self._key = key.encode()
        self._metrics = metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = CLIENT_GONE

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._allows(scope):
                await self._app(scope, receive, noted)
            else:
                refusal = Refusal(
                    "The request has no valid key; send Authorization: Bearer KEY.", 401, code="invalid_api_key"
                )
                await _response(refusal)(scope, receive, noted)
        except Exception:
            status = 500
            raise
        finally:
            path = scope["path"]
            self._metrics.request(path if path in _PATHS else "other", status)

    def _allows(self, scope: MutableMapping[str, Any]) -> bool:
        if not self._key or scope["path"] == "/health":
            return True
        scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._key)


def _response(refusal: Refusal) -> Response:
    return JSONResponse(refusal.body, refusal.status, headers=refusal.headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    """A path or a method that is not there."""
    assert isinstance(error, HTTPException)
    words = {404: "is not there", 405: f"does not take {request.method}"}.get(error.status_code, str(error.detail))
    refusal = Refusal(f"{request.url.path[:120]} {words}; there are {', '.join(_PATHS)}.", error.status_code)
    return JSONResponse(refusal.body, error.status_code, headers=dict(error.headers or {}))


async def _gone(_: Request, error: Exception) -> Response:
    """Nobody reads it."""
    return Response(status_code=CLIENT_GONE)


async def _failed(_: Request, error: Exception) -> Response:
    """A bug; its traceback goes to the log."""
    return _response(Refusal("The server failed on this request; its log says why.", 500))
