"""POST /v1/chat/completions: from the request's bytes to a completion or a stream, for as long as somebody waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response, StreamingResponse

from vistune.errors import CheckpointError
from vistune.serve.jobs import Event, Failed, Finished, Job, Piece
from vistune.serve.parameters import Wanted, parse_body, read_wanted
from vistune.serve.refusal import Refusal
from vistune.serve.replies import DONE, Reply, event

if TYPE_CHECKING:
    from starlette.requests import Request

    from vistune.serve.asking import Asking
    from vistune.serve.engine import Engine
    from vistune.serve.metrics import Metrics

MAX_BODY = 2**25
"""Bytes of a request; a picture in base64 takes 4/3 of its file."""
BODY_SECONDS = 60.0
"""For a body to come: what is read counts as waiting, and clients that stall would fill the queue."""
CLIENT_GONE = 499
"""nginx's status for a client that did not wait; nobody sees it but the metrics."""


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class Chat:
    """Answers chat requests.

    Args:
        engine: writes the answers. name: of the model. threads: where pictures are opened and words are cut to tokens.
    """

    def __init__(self, engine: Engine, name: str, threads: Executor, metrics: Metrics) -> None:
        self._engine = engine
        self._name = name
        self._threads = threads
        self._metrics = metrics
        self._asking: Asking | None = None
        self._preparing = 0

    def begin(self, asking: Asking) -> None:
        """The model is there."""
        self._asking = asking

    async def answer(self, request: Request) -> Response:
        """The HTTP answer.

        Raises:
            Refusal: there is none.
        """
        start = time.monotonic()
        # Bodies take memory before they stand in the queue, so they count as if they did.
        self._engine.check_room(self._preparing + 1)
        self._preparing += 1
        try:
            channel = _Channel(await read_body(request))
            wanted, jobs = await asyncio.get_running_loop().run_in_executor(self._threads, self._prepare, channel)
        finally:
            self._preparing -= 1
        self._engine.submit(jobs)
        channel.watch(request, lambda: self._engine.cancel(jobs))
        reply = Reply(self._name, len(jobs[0].sample.input_ids), wanted.include_usage)
        try:
            if not wanted.stream:
                return await self._whole(channel, jobs, reply, start)
            # What goes wrong before the first words still has a status of its own.
            first = await channel.next()
        except BaseException:
            self._close(channel, jobs)
            raise
        self._metrics.first_piece(time.monotonic() - start)
        return StreamingResponse(
            self._stream(first, channel, jobs, reply, start),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    def _prepare(self, channel: _Channel) -> tuple[Wanted, list[Job]]:
        fields = parse_body(channel.body)
        wanted = read_wanted(fields, max_n=min(self._engine.max_batch, self._engine.max_queue))
        if wanted.model != self._name:
            raise unknown_model(wanted.model, self._name)
        if self._asking is None:
            raise self._engine.refusal()
        jobs = self._asking.jobs(wanted, fields.get("messages"), channel.tell)
        channel.body = b""
        return wanted, jobs

    async def _whole(self, channel: _Channel, jobs: Sequence[Job], reply: Reply, start: float) -> Response:
        answers: dict[int, Finished] = {}
        while len(answers) < len(jobs):
            number, told = await channel.next()
            if isinstance(told, Finished):
                answers[number] = told
        self._note(reply, answers, start)
        self._close(channel, jobs)
        return JSONResponse(reply.completion(answers))

    async def _stream(
        self, first: tuple[int, Event], channel: _Channel, jobs: Sequence[Job], reply: Reply, start: float
    ) -> AsyncIterator[bytes]:
        answers: dict[int, Finished] = {}
        try:
            for number in range(len(jobs)):
                yield reply.begin(number)
            number, told = first
            while True:
                if isinstance(told, Piece):
                    yield reply.piece(number, told.text)
                elif isinstance(told, Finished):
                    answers[number] = told
                    yield reply.end(number, told)
                if len(answers) == len(jobs):
                    break
                number, told = await channel.next()
            if reply.include_usage:
                yield reply.usage_chunk(answers)
            yield DONE
            self._note(reply, answers, start)
        except Refusal as refusal:
            # The status is sent already; OpenAI's clients raise what such an event says.
            yield event(refusal.body)
        except ClientGoneError:
            return
        finally:
            self._close(channel, jobs)

    def _note(self, reply: Reply, answers: dict[int, Finished], start: float) -> None:
        usage = reply.usage(answers)
        self._metrics.tokens(usage["prompt_tokens"], usage["completion_tokens"])
        self._metrics.chat(time.monotonic() - start)

    def _close(self, channel: _Channel, jobs: Sequence[Job]) -> None:
        channel.close()
        self._engine.cancel(jobs)


class _Channel:
    """Events of a request's jobs, from the model's thread to the loop; and whether the client is still there."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[tuple[int, Event] | None] = asyncio.Queue()
        self._watching: asyncio.Task[None] | None = None
        self._gone: Callable[[], None] = lambda: None

    def tell(self, number: int, told: Event) -> None:
        """Called from any thread."""
        # A server that was stopped by force has no loop any more, and nobody listens.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._events.put_nowait, (number, told))

    def watch(self, request: Request, gone: Callable[[], None]) -> None:
        """Notice when the client goes away, whoever reads events then; its request must be read to the end."""
        self._gone = gone
        self._watching = asyncio.create_task(self._wait_for_end(request))

    async def next(self) -> tuple[int, Event]:
        """The next event.

        Raises:
            Refusal: the answer failed. ClientGoneError: nobody waits for it.
        """
        found = await self._events.get()
        if found is None:
            raise ClientGoneError
        if isinstance(found[1], Failed):
            raise _told(found[1].error) from found[1].error
        return found

    def close(self) -> None:
        """Nothing is waited for any more."""
        if self._watching is not None:
            self._watching.cancel()
        # Neither keeps the other, nor the jobs with their pictures, until garbage is collected.
        self._watching, self._gone = None, lambda: None

    async def _wait_for_end(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._gone()
        self._events.put_nowait(None)


async def read_body(request: Request) -> bytes:
    """The body, as far as it is JSON that says so and not too large.

    Raises:
        Refusal: 408, 413, 415. ClientGoneError: it was cut off.
    """
    from starlette.requests import ClientDisconnect

    kind = request.headers.get("content-type", "")
    if kind.split(";")[0].strip().lower() != "application/json":
        # Also what keeps web pages from asking a server on this machine: browsers ask before they send JSON elsewhere.
        raise Refusal(f"The request's Content-Type is {kind[:60]!r}; send application/json.", 415)
    too_large = Refusal(
        f"The body is larger than {MAX_BODY // 2**20} MB; send smaller pictures, or fewer.", 413, code="body_too_large"
    )
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    raise too_large
    except TimeoutError as error:
        raise Refusal(f"The body did not come within {BODY_SECONDS:g} seconds; send it again.", 408) from error
    except ClientDisconnect as error:
        raise ClientGoneError from error
    return bytes(body)


def unknown_model(asked: str, name: str) -> Refusal:
    """Another model is asked for than is there."""
    return Refusal(
        f"There is no model {asked[:120]!r} here; this server has {name!r}.", 404, "model", code="model_not_found"
    )


def _told(error: Exception) -> Refusal:
    """What a client is told of a failure; what is not its business stands in the server's log."""
    import torch

    if isinstance(error, Refusal):
        return error
    if isinstance(error, CheckpointError):
        return Refusal(str(error), 500)
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return Refusal("There is not enough memory for this request; send a shorter one, or later.", 503, retry_after=5)
    return Refusal("The model failed on this request; the server's log says why.", 500)
