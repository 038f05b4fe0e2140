"""The process: a socket, a model that is loaded while the server is up, and an orderly end."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from vistune.errors import InputError
from vistune.serve.app import make_app
from vistune.serve.asking import Asking
from vistune.serve.engine import Engine
from vistune.serve.metrics import Metrics

if TYPE_CHECKING:
    from vistune.infer.predictor import Predictor

KEY_VARIABLE = "VISTUNE_API_KEY"
_SEND_SECONDS = 5
_ABORT_SECONDS = 10.0
# Pictures of up to 120 megapixels are opened in each.
_THREADS = 2


@dataclass(frozen=True)
class Options:
    """How a model is served.

    Args:
        name: in requests. host, port: where; port 0 takes a free one. max_batch, max_queue: see `Engine`.
        image_root: folder whose files ``file://`` URLs may name. grace: seconds for running answers at the end.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = 8000
    max_batch: int = 8
    max_queue: int = 64
    image_root: Path | None = None
    grace: float = 30.0


class ModelServer:
    """Serves one model until it is told to stop.

    Args:
        load: gives the model; called in a thread while the server is up already.
        say: gets lines for the person who started it.

    Raises:
        InputError: the address cannot be had.
    """

    def __init__(self, load: Callable[[], Predictor], options: Options, say: Callable[[str], None]) -> None:
        self._load = load
        self._options = options
        self._say = say
        if options.image_root is not None and not options.image_root.is_dir():
            raise InputError(f"There is no folder {str(options.image_root)!r} for --image-root; make it or check it.")
        self._socket = bind(options.host, options.port)
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        key = os.environ.get(KEY_VARIABLE, "")
        if not key and not ipaddress.ip_address(host.split("%")[0]).is_loopback:
            say(f"warning: everybody who reaches {self.url} can use it; set {KEY_VARIABLE} to ask for a key")
        metrics = Metrics()
        self.engine = Engine(options.max_batch, options.max_queue, metrics.batch)
        metrics.watch(self.engine)
        self._threads = ThreadPoolExecutor(_THREADS, "vistune-request")
        app, self._chat = make_app(self.engine, options.name, self._threads, metrics, key)
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SEND_SECONDS,
        )
        self._server = _Server(config, self.engine, options.grace, say)
        self._failure: BaseException | None = None

    def run(self) -> int:
        """Serve; returns the exit code, 0 for an orderly end and 130 where a second Ctrl-C cut it short.

        Raises:
            VistuneError: the model cannot be loaded.
        """
        self._say(f"loading {self._options.name} ({self.url}/health says when it is there)")
        threading.Thread(target=self._begin, name="vistune-load", daemon=True).start()
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self.engine.abort(_ABORT_SECONDS)
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._socket.close()
        if self._failure is not None:
            raise self._failure
        return 130 if self._server.forced else 0

    def stop(self) -> None:
        """End as Ctrl-C does; for other threads."""
        self._server.stopping = True

    def _begin(self) -> None:
        try:
            predictor = self._load()
            self._chat.begin(Asking(predictor, self._options.image_root))
            self.engine.start(predictor)
            if self.engine.state == "ready":  # nobody stopped it meanwhile
                self._say(f"ready: {self.url}/v1, model {self._options.name} (Ctrl-C stops)")
        except BaseException as error:  # raised where the server was started
            self._failure = error
            self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn, but an end lets running answers finish, while requests that come are told so."""

    def __init__(self, config: uvicorn.Config, engine: Engine, grace: float, say: Callable[[str], None]) -> None:
        super().__init__(config)
        self.stopping = False
        self.forced = False
        self._engine = engine
        self._grace = grace
        self._say = say
        self._deadline: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT and SIGTERM; a second Ctrl-C ends what is running too."""
        if self.stopping and sig == signal.SIGINT:
            # A third one does not even wait for the last words to be sent.
            self.force_exit, self.forced = self.forced, True
        self.stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; whether to leave."""
        if self.stopping and self._deadline is None:
            self._deadline = time.monotonic() + self._grace
            self._engine.close()
            if self._engine.running:
                self._say(f"stopping when what runs is finished: {self._engine.running} (Ctrl-C again does not wait)")
        if self._deadline is not None:
            late = self.forced or time.monotonic() > self._deadline
            if late:
                # uvicorn would show where in the code every connection stood that it cuts off.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
                self._engine.abort(0)
            self.should_exit = late or self._engine.idle
        return await super().on_tick(counter)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        InputError: the port is taken or not allowed, or there is no such address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise InputError(f"The host {host!r} cannot be found ({error}); name an address of this machine.") from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)
    except OSError as error:
        found.close()
        why = {
            errno.EADDRINUSE: "is in use; stop what listens there, or take another with --port",
            errno.EACCES: "is not allowed for this user; take one from 1024 on with --port",
            errno.EADDRNOTAVAIL: "is no address of this machine; take another with --host",
        }.get(error.errno or 0, f"cannot be had ({error.strerror})")
        raise InputError(f"Port {port} of {host} {why}.") from error
    return found
