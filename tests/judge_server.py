"""A small real HTTP server that speaks the chat-completions protocol, with its faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = Callable[[str], str]


class JudgeServer:
    """Counts requests, and answers with ``answer(user message)`` after the faults that were ordered.

    Faults: an HTTP status, "cut" (the body ends early), "hang" (no answer until the server stops), "no json",
    "no choices".
    """

    def __init__(self, answer: Answer, faults: Sequence[int | str] = ()) -> None:
        self.answer = answer
        self.faults = list(faults)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.most_at_once = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self._now = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> JudgeServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def counted(self, body: dict[str, Any], key: str) -> Iterator[int | str | None]:
        """Note a request; the fault that it meets."""
        with self.lock:
            self.requests.append(body)
            self.keys.append(key)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            fault = self.faults.pop(0) if self.faults else None
        try:
            yield fault
        finally:
            with self.lock:
                self._now -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.counted(body, self.headers.get("Authorization", "")) as fault:
                    self._answer(body, fault)

            def _answer(self, body: dict[str, Any], fault: int | str | None) -> None:
                if fault == "hang":
                    server.stopping.wait(20)
                    self.close_connection = True
                    return
                if isinstance(fault, int):
                    self._send(fault, json.dumps({"error": {"message": "not now"}}).encode())
                    return
                reply = {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "stop",
                            "message": {"role": "assistant", "content": server.answer(body["messages"][-1]["content"])},
                        }
                    ],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
                }
                if fault == "no choices":
                    reply["choices"] = []
                content = b"<html>busy</html>" if fault == "no json" else json.dumps(reply).encode()
                self._send(200, content, cut=fault == "cut")

            def _send(self, status: int, content: bytes, cut: bool = False) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if cut else content)
                if cut:
                    self.wfile.flush()
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's pauses between tries made short."""
    base = pytest.importorskip("openai._base_client")
    monkeypatch.setattr(base, "INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr(base, "MAX_RETRY_DELAY", 0.02)
