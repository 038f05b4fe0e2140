"""A real server of a tiny model in a thread, and a model that waits where a test wants it to."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openai import OpenAI
from PIL import Image

from vistune.infer.predictor import Predictor
from vistune.serve.server import ModelServer, Options


@contextmanager
def serving(load: Callable[[], Predictor], ready: bool = True, **options: Any) -> Iterator[ModelServer]:
    """A server on a free port until the block ends; by default from when the model is there."""
    server = ModelServer(load, Options(**{"name": "tiny", "port": 0, "grace": 5.0, **options}), lambda _: None)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            server.run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        if ready:
            until(lambda: server.engine.state == "ready" or failures)
            assert not failures, failures
        yield server
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def client_of(server: ModelServer, key: str = "none", **options: Any) -> OpenAI:
    """OpenAI's own client; it does not try again by itself."""
    return OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=30, **options)


def until(met: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for something that is about to happen."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def data_url(picture: Image.Image, format: str = "PNG") -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format)
    return f"data:image/{format.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def user(words: str, *pictures: Image.Image) -> dict[str, Any]:
    """A user's message, pictures in front of the words."""
    shown: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": data_url(picture)}} for picture in pictures
    ]
    return {"role": "user", "content": [*shown, {"type": "text", "text": words}] if shown else words}


class Brake:
    """Holds the language model of a predictor before every step while it is on, and counts steps."""

    def __init__(self, predictor: Predictor) -> None:
        self.steps = 0
        self.fail: Callable[[], Exception | None] = lambda: None
        self._go = threading.Event()
        self._go.set()
        self._hook = predictor.model.language.register_forward_pre_hook(self._step)
        self._inner = predictor.model.language.model.register_forward_pre_hook(self._step)

    def hold(self) -> None:
        self._go.clear()

    def let_go(self) -> None:
        self._go.set()

    def remove(self) -> None:
        self.let_go()
        self._hook.remove()
        self._inner.remove()

    def _step(self, *_: object) -> None:
        self._go.wait(30)
        self.steps += 1
        time.sleep(0.002)
        error = self.fail()
        if error is not None:
            raise error


@contextmanager
def braked(predictor: Predictor) -> Iterator[Brake]:
    brake = Brake(predictor)
    try:
        yield brake
    finally:
        brake.remove()


def write_png(path: Path, picture: Image.Image) -> Path:
    picture.save(path)
    return path
