"""Batches change nothing but the time; who goes away is forgotten; the queue ends; an end is orderly."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import openai
import pytest
import torch
from tests.serve.rig import Brake, braked, client_of, serving, until, user
from tests.tiny import picture

from vistune.infer.predictor import Predictor
from vistune.serve.engine import BatchReport

WORDS = (
    "what?",
    "how many circles are there in all?",
    "describe the image",
    "red",
    "a b c d e f",
    "is it?",
    "why",
    "x y",
)


def batches_of(server: Any) -> list[int]:
    """Rows of every batch from now on."""
    seen: list[int] = []
    report = server.engine._report

    def noted(told: BatchReport) -> None:
        seen.append(told.rows)
        report(told)

    server.engine._report = noted
    return seen


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.5, "seed": 11}])
def test_eight_at_once_are_each_alone(predictor: Predictor, sampling: dict[str, Any]) -> None:
    messages = [user(words, *([picture(n)] if n % 2 else [])) for n, words in enumerate(WORDS)]
    alone = [
        predictor.generate([picture(n) if n % 2 else None], [words], max_new_tokens=6 + n, **sampling)[0]
        for n, words in enumerate(WORDS)
    ]
    with braked(predictor) as brake, serving(lambda: predictor) as server, ThreadPoolExecutor(9) as pool:
        sizes = batches_of(server)
        ask = client_of(server).chat.completions.create
        brake.hold()
        first = pool.submit(ask, model="tiny", messages=[user("first")], max_tokens=2)
        until(lambda: server.engine.running)
        asked = [
            pool.submit(ask, model="tiny", messages=[message], max_tokens=6 + n, **sampling)
            for n, message in enumerate(messages)
        ]
        until(lambda: server.engine.waiting == len(WORDS))
        brake.let_go()
        assert [answer.result().choices[0].message.content for answer in asked] == alone
        assert [answer.result().usage.completion_tokens for answer in asked] == [6 + n for n in range(len(WORDS))]
        first.result()
        until(lambda: sum(sizes) == 9)
    assert sizes == [1, 8], "they were answered together"


def test_requests_that_differ_keep_their_own_settings(llava: Predictor, brake: Brake) -> None:
    kinds: list[dict[str, Any]] = [
        {"temperature": 1.5, "seed": 1},
        {"temperature": 1.5, "seed": 2},
        {"temperature": 0.7, "seed": 1},
        {"temperature": 1.5, "seed": 1, "top_p": 0.6},
        {"temperature": 0},
        {"temperature": 0, "repetition_penalty": 30.0},
    ]
    alone = [llava.generate([None], ["what?"], max_new_tokens=10, **kind)[0] for kind in kinds]
    assert len(set(alone)) == len(kinds)
    with serving(lambda: llava) as server, ThreadPoolExecutor(len(kinds) + 2) as pool:
        sizes = batches_of(server)
        ask = client_of(server).chat.completions.create
        brake.hold()
        pool.submit(ask, model="tiny", messages=[user("first")], max_tokens=2)
        until(lambda: server.engine.running)
        asked = []
        for number, kind in enumerate([*kinds, kinds[0]]):
            body = {name: value for name, value in kind.items() if name == "repetition_penalty"}
            rest = {name: value for name, value in kind.items() if name not in body}
            asked.append(
                pool.submit(ask, model="tiny", messages=[user("what?")], max_tokens=10, extra_body=body, **rest)
            )
            until(lambda number=number: server.engine.waiting == number + 1)
        brake.let_go()
        assert [answer.result().choices[0].message.content for answer in asked] == [*alone, alone[0]]
        until(lambda: sum(sizes) == len(kinds) + 2)
    assert sizes == [1, 2] + [1] * (len(kinds) - 1)


def test_streams_and_stops_in_one_batch(llava: Predictor, brake: Brake) -> None:
    [plain] = llava.generate([None], ["what?"], max_new_tokens=12)
    mark = next(character for character in plain[2:] if character.isalpha())
    with serving(lambda: llava) as server, ThreadPoolExecutor(4) as pool:
        sizes = batches_of(server)
        client = client_of(server)

        def stream(**more: Any) -> str:
            chunks = client.chat.completions.create(
                model="tiny", messages=[user("what?")], max_tokens=12, stream=True, **more
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

        brake.hold()
        first = pool.submit(stream)
        until(lambda: server.engine.running)
        second, third = pool.submit(stream), pool.submit(stream, stop=[mark])
        until(lambda: server.engine.waiting == 2)
        brake.let_go()
        assert first.result() == second.result() == plain
        assert third.result() == llava.generate([None], ["what?"], max_new_tokens=12, stop=[mark])[0] != plain
        until(lambda: len(sizes) == 2)
    assert sizes == [1, 2]


def test_a_short_answer_does_not_wait_for_a_long_one(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava) as server, ThreadPoolExecutor(3) as pool:
        ask = client_of(server).chat.completions.create
        brake.hold()
        pool.submit(ask, model="tiny", messages=[user("first")], max_tokens=2)
        until(lambda: server.engine.running)
        long = pool.submit(ask, model="tiny", messages=[user("long")], max_tokens=400)
        short = pool.submit(ask, model="tiny", messages=[user("short")], max_tokens=3)
        until(lambda: server.engine.waiting == 2)
        brake.let_go()
        assert short.result().usage.completion_tokens == 3
        assert not long.done()
        long.cancel()


def test_a_reader_who_leaves_a_stream_stops_it(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava) as server:
        chunks = client_of(server).chat.completions.create(
            model="tiny", messages=[user("tell me all")], max_tokens=450, stream=True
        )
        next(iter(chunks))
        chunks.close()
        until(lambda: server.engine.idle)
        assert brake.steps < 300
        assert 'status="200"' in httpx.get(server.url + "/metrics").text


def test_who_goes_away_is_forgotten(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava) as server:
        impatient = client_of(server).with_options(timeout=0.5)
        brake.hold()
        with ThreadPoolExecutor(2) as pool:
            ask = impatient.chat.completions.create
            running = pool.submit(ask, model="tiny", messages=[user("runs")], max_tokens=400)
            until(lambda: server.engine.running)
            waiting = pool.submit(ask, model="tiny", messages=[user("waits")], max_tokens=400)
            for asked in (running, waiting):
                assert isinstance(asked.exception(), openai.APITimeoutError)
        until(lambda: server.engine.waiting == 0)
        until(lambda: all(job.cancelled.is_set() for job in server.engine._running))
        brake.let_go()
        until(lambda: server.engine.idle)
        assert brake.steps < 100
        assert 'path="/v1/chat/completions",status="499"} 2.0' in httpx.get(server.url + "/metrics").text


def test_a_full_queue(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava, max_queue=2, max_batch=2) as server, ThreadPoolExecutor(3) as pool:
        client = client_of(server)
        brake.hold()
        asked = []
        for number in range(3):
            asked.append(pool.submit(client.chat.completions.create, model="tiny", messages=[user("hi")], max_tokens=2))
            until(lambda number=number: server.engine.running + server.engine.waiting == number + 1)
        with pytest.raises(openai.RateLimitError, match="2 answers are waiting already") as refused:
            client.chat.completions.create(model="tiny", messages=[user("hi")], max_tokens=2)
        assert int(refused.value.response.headers["Retry-After"]) >= 1
        assert "vistune_queue_length 2.0" in httpx.get(server.url + "/metrics").text
        brake.let_go()
        assert all(answer.result().usage.completion_tokens == 2 for answer in asked)


def test_requests_that_are_being_read_count_as_waiting(llava: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Event(), threading.Event()
    with serving(lambda: llava, max_queue=1) as server, ThreadPoolExecutor(1) as pool:
        jobs = server._chat._asking.jobs  # type: ignore[union-attr]

        def slow(*arguments: Any) -> Any:
            begun.set()
            go_on.wait(20)
            return jobs(*arguments)

        monkeypatch.setattr(server._chat._asking, "jobs", slow)
        ask = client_of(server).chat.completions.create
        asked = pool.submit(ask, model="tiny", messages=[user("hi")], max_tokens=2)
        assert begun.wait(20)
        with pytest.raises(openai.RateLimitError):
            ask(model="tiny", messages=[user("hi")], max_tokens=2)
        go_on.set()
        assert asked.result().usage.completion_tokens == 2


def test_twenty_clients_at_once(llava: Predictor) -> None:
    with serving(lambda: llava) as server, ThreadPoolExecutor(20) as pool:
        ask = client_of(server).chat.completions.create
        asked = [
            pool.submit(ask, model="tiny", messages=[user(f"number {n}", picture(n))], max_tokens=5) for n in range(20)
        ]
        expected = llava.generate([picture(n) for n in range(20)], [f"number {n}" for n in range(20)], max_new_tokens=5)
        assert [answer.result().choices[0].message.content for answer in asked] == expected


def test_a_request_that_breaks_a_batch_breaks_alone(
    llava: Predictor, brake: Brake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda: llava) as server, ThreadPoolExecutor(4) as pool:
        ask = client_of(server).chat.completions.create
        brake.hold()
        asked = [pool.submit(ask, model="tiny", messages=[user("one")], max_tokens=3)]
        until(lambda: server.engine.running)
        asked += [pool.submit(ask, model="tiny", messages=[user("two")], max_tokens=3) for _ in range(2)]
        until(lambda: server.engine.waiting == 2)
        brake.fail = lambda: torch.OutOfMemoryError("no room") if server.engine.running > 1 and tries() else None
        remaining = [1]

        def tries() -> bool:
            return bool(remaining and remaining.pop())

        brake.let_go()
        assert [answer.result().usage.completion_tokens for answer in asked] == [3, 3, 3]
        assert not remaining, "the batch did fail"
        brake.fail = lambda: torch.OutOfMemoryError("no room")
        with pytest.raises(openai.InternalServerError, match="not enough memory") as failure:
            ask(model="tiny", messages=[user("three")], max_tokens=3)
        assert failure.value.status_code == 503
        brake.fail = lambda: RuntimeError("secrets of the server")
        logged: list[logging.LogRecord] = []
        monkeypatch.setattr(logging.getLogger("vistune.serve.engine"), "handle", logged.append)
        with pytest.raises(openai.InternalServerError, match="server's log") as failure:
            ask(model="tiny", messages=[user("three")], max_tokens=3)
        assert failure.value.status_code == 500 and "secrets" not in str(failure.value)
        # What the command shows is the message alone.
        assert "secrets of the server" in logged[-1].getMessage() and "Traceback" in logged[-1].getMessage()
        brake.fail = lambda: None
        assert ask(model="tiny", messages=[user("three")], max_tokens=3).usage.completion_tokens == 3


def test_a_stream_that_fails_says_so(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava) as server:
        chunks = client_of(server).chat.completions.create(
            model="tiny", messages=[user("tell me all")], max_tokens=400, stream=True
        )
        next(iter(chunks))
        brake.fail = lambda: RuntimeError("broken")
        with pytest.raises(openai.APIError, match="server's log"):
            list(chunks)


def test_a_device_that_fails_is_told_by_health(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava) as server:
        brake.fail = lambda: torch.AcceleratorError("CUDA error: device-side assert triggered", 1)
        ask = client_of(server).chat.completions.create
        with pytest.raises(openai.InternalServerError):
            ask(model="tiny", messages=[user("hi")], max_tokens=3)
        brake.fail = lambda: None
        until(lambda: httpx.get(server.url + "/health").status_code == 503)
        with pytest.raises(openai.InternalServerError, match="started again"):
            ask(model="tiny", messages=[user("hi")], max_tokens=3)


def test_an_end_finishes_what_runs_and_turns_away_the_rest(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava, max_batch=1) as server, ThreadPoolExecutor(2) as pool:
        ask = client_of(server).chat.completions.create
        brake.hold()
        running = pool.submit(ask, model="tiny", messages=[user("runs")], max_tokens=5)
        until(lambda: server.engine.running)
        waiting = pool.submit(ask, model="tiny", messages=[user("waits")], max_tokens=5)
        until(lambda: server.engine.waiting)
        server.stop()
        with pytest.raises(openai.InternalServerError, match="shutting down") as refused:
            waiting.result()
        assert refused.value.status_code == 503 and refused.value.response.headers["Retry-After"]
        with pytest.raises(openai.InternalServerError, match="shutting down"):
            ask(model="tiny", messages=[user("late")], max_tokens=5)
        assert httpx.get(server.url + "/health").json() == {"status": "stopping"}
        brake.let_go()
        assert running.result().usage.completion_tokens == 5


def test_an_end_does_not_wait_for_ever(llava: Predictor, brake: Brake) -> None:
    with serving(lambda: llava, grace=0.2) as server:
        chunks = client_of(server).chat.completions.create(
            model="tiny", messages=[user("tell me all")], max_tokens=450, stream=True
        )
        next(iter(chunks))
        brake.hold()
        server.stop()
        with pytest.raises(openai.APIError, match="shutting down"):
            list(chunks)
        brake.let_go()


def test_while_the_model_is_loaded(llava: Predictor) -> None:
    loaded = threading.Event()

    def load() -> Predictor:
        loaded.wait(20)
        return llava

    with serving(load, ready=False) as server:
        until(lambda: server._server.started)
        health = httpx.get(server.url + "/health")
        assert (health.status_code, health.json()) == (503, {"status": "loading"})
        with pytest.raises(openai.InternalServerError, match="still being loaded"):
            client_of(server).chat.completions.create(model="tiny", messages=[user("hi")])
        loaded.set()
        until(lambda: httpx.get(server.url + "/health").status_code == 200)
