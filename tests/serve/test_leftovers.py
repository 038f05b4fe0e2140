"""Damaged scores are told to whom they belong; nothing of an answer that is over stays in memory or goes on."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai
import pytest
import torch
from starlette.requests import Request
from tests.serve.rig import Brake, braked, client_of, serving, until, user
from tests.tiny import picture

from vistune.infer.predictor import Predictor
from vistune.serve.server import ModelServer, Options


def test_what_a_failed_batch_had_in_memory_is_gone_before_its_rows_are_tried_again(
    llava: Predictor, brake: Brake
) -> None:
    class Tensors:
        """What stands in the frames of the model."""

    with serving(lambda: llava) as server, ThreadPoolExecutor(4) as pool:
        ask = client_of(server).chat.completions.create
        left: list[weakref.ref[Tensors]] = []
        seen: list[bool] = []

        def fail() -> None:
            if server.engine.running > 1 and not left:
                large = Tensors()
                left.append(weakref.ref(large))
                raise torch.OutOfMemoryError("no room")
            if left:
                seen.append(left[0]() is not None)

        brake.hold()
        asked = [pool.submit(ask, model="tiny", messages=[user("one")], max_tokens=3)]
        until(lambda: server.engine.running)
        asked += [pool.submit(ask, model="tiny", messages=[user("two")], max_tokens=3) for _ in range(2)]
        until(lambda: server.engine.waiting == 2)
        brake.fail = fail  # type: ignore[assignment]
        brake.let_go()
        assert [answer.result().usage.completion_tokens for answer in asked] == [3, 3, 3]
        assert seen and not any(seen)


@contextmanager
def scores_become_nan(predictor: Predictor, after: int, row: int | None = None) -> Iterator[None]:
    """From so many tokens on, of one row or of all."""
    language = predictor.model.language.model
    calls = 0

    def spoil(module: Any, arguments: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after and (row is None or output.logits.shape[0] > row):
            output.logits[slice(None) if row is None else row] = float("nan")
        return output

    hook = language.register_forward_hook(spoil, prepend=True)
    try:
        yield
    finally:
        hook.remove()


def test_scores_that_are_no_numbers_are_no_answer(predictor: Predictor) -> None:
    with serving(lambda: predictor) as server, braked(predictor):
        ask = client_of(server).chat.completions.create
        for sampling in ({}, {"temperature": 1.0}):
            with scores_become_nan(predictor, 0):
                for stream in (False, True):
                    with pytest.raises(openai.InternalServerError, match="scores of the next token are NaN") as failure:
                        ask(model="tiny", messages=[user("hi")], max_tokens=4, stream=stream, **sampling)
                    assert failure.value.status_code == 500
        with scores_become_nan(predictor, 40):
            chunks = ask(model="tiny", messages=[user("hi")], max_tokens=60, stream=True)
            next(iter(chunks))
            with pytest.raises(openai.APIError, match="scores of the next token are NaN"):
                list(chunks)
        assert ask(model="tiny", messages=[user("hi")], max_tokens=4).usage.completion_tokens == 4


def test_scores_that_are_no_numbers_harm_nobody_else(llava: Predictor, brake: Brake) -> None:
    expected = llava.generate([None], ["two"], max_new_tokens=6)
    with serving(lambda: llava) as server, ThreadPoolExecutor(4) as pool:
        ask = client_of(server).chat.completions.create
        brake.hold()
        first = pool.submit(ask, model="tiny", messages=[user("one")], max_tokens=2)
        until(lambda: server.engine.running)
        asked = []
        for _ in range(2):
            asked.append(pool.submit(ask, model="tiny", messages=[user("two")], max_tokens=6))
            until(lambda: server.engine.waiting == len(asked))
        with scores_become_nan(llava, 3, row=1):
            brake.let_go()
            # The second row was broken in its batch alone, and is right when it is tried alone.
            assert [answer.result().choices[0].message.content for answer in asked] == expected * 2
        first.result()


def test_a_reader_who_leaves_before_a_stream_begins(llava: Predictor, brake: Brake) -> None:
    """Then nobody ever asks for the stream's pieces, nor ends it."""
    with serving(lambda: llava) as server:
        body = json.dumps({"model": "tiny", "messages": [user("hi")], "max_tokens": 400, "stream": True}).encode()

        async def leave() -> None:
            told = [{"type": "http.request", "body": body, "more_body": False}]
            gone = asyncio.Event()

            async def receive() -> Any:
                if told:
                    return told.pop()
                await gone.wait()
                return {"type": "http.disconnect"}

            scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
            await server._chat.answer(Request(scope, receive))
            assert server.engine.running
            gone.set()
            await asyncio.sleep(0.2)

        asyncio.run(leave())
        until(lambda: server.engine.idle)
        assert brake.steps < 300


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_answered_is_not_kept(llava: Predictor, monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    """Pictures are large, and what refers to itself in a circle may lie about for long."""
    with serving(lambda: llava) as server:
        jobs: list[weakref.ref[Any]] = []
        submit = server.engine.submit

        def noted(submitted: Any) -> None:
            jobs.extend(map(weakref.ref, submitted))
            submit(submitted)

        monkeypatch.setattr(server.engine, "submit", noted)
        gc.collect()
        gc.disable()
        try:
            said = client_of(server).chat.completions.create(
                model="tiny", messages=[user("hi", picture(1))], max_tokens=4, n=2, stream=stream
            )
            if stream:
                assert list(said)
            assert len(jobs) == 2
            until(lambda: all(job() is None for job in jobs), 5)
        finally:
            gc.enable()


def test_a_server_that_was_stopped_while_it_loaded_does_not_say_that_it_is_ready(llava: Predictor) -> None:
    go_on, said = threading.Event(), list[str]()

    def load() -> Predictor:
        go_on.wait(20)
        return llava

    server = ModelServer(load, Options("tiny", port=0), said.append)
    with ThreadPoolExecutor(1) as pool:
        code = pool.submit(server.run)
        until(lambda: server._server.started)
        server.stop()
        assert code.result(20) == 0
    go_on.set()
    until(lambda: not any(thread.name == "vistune-load" for thread in threading.enumerate()))
    assert len(said) == 1 and said[0].startswith("loading tiny") and server.engine.state == "stopping"
