"""`vistune serve` as a person starts and stops it, and as a judge."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import failure, vistune
from tests.families import load_pair
from tests.serve.rig import serving, user

from vistune.evaluate.judge.rules import SYSTEM
from vistune.serve.server import KEY_VARIABLE, ModelServer, Options


@contextmanager
def started(model: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, from when it is ready; and its address."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop(KEY_VARIABLE, None)
    # A shell that runs tests in the background has them ignore Ctrl-C, and children inherit that.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); import vistune.cli.app as a; "
    )
    command = [sys.executable, "-c", program + "a.main()", "serve", str(model), "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            line = ""
            while not line.startswith("ready: "):
                line = process.stderr.readline()
                assert line, "it ended"
            yield process, line.split()[1].removesuffix(",").removesuffix("/v1")
        finally:
            process.kill()


def stream(url: str, tokens: int) -> Any:
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)
    return iter(
        client.chat.completions.create(model="tiny", messages=[user("tell me all")], max_tokens=tokens, stream=True)  # type: ignore[arg-type]
    )


@pytest.mark.slow
def test_ctrl_c_lets_a_stream_finish(tiny_checkpoints: dict[str, Path]) -> None:
    with started(tiny_checkpoints["llava-mlp"], "--served-name", "tiny") as (process, url):
        chunks = stream(url, 400)
        next(chunks)
        process.send_signal(signal.SIGINT)
        reasons = [chunk.choices[0].finish_reason for chunk in chunks]
        assert reasons[-1] in ("length", "stop")
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait(tiny_checkpoints: dict[str, Path]) -> None:
    with started(tiny_checkpoints["instructblip-t5"], "--served-name", "tiny") as (process, url):
        chunks = stream(url, 4000)
        next(chunks)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert failure("serve", "model", "--port", port, code=2) == (
            f"Port {port} of 127.0.0.1 is in use; stop what listens there, or take another with --port."
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "no.such.host.invalid"), "cannot be found"),
        (("--host", "192.0.2.1"), "is no address of this machine"),
        (("--image-root", "/no/such/folder"), "There is no folder '/no/such/folder' for --image-root"),
    ],
)
def test_wrong_addresses_and_folders(options: tuple[str, str], said: str) -> None:
    assert said in failure("serve", "model", "--port", "0", *options, code=2)


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    outcome = vistune("serve", tmp_path / "nothing", "--port", "0")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("error: ") and "nothing" in outcome.err.splitlines()[-1]


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("vistune.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert failure("serve", "model", code=2) == "Serving needs the package uvicorn; `pip install 'vistune[serve]'`."


def test_an_open_address_without_a_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, warned in (("", True), ("secret", False)):
        monkeypatch.setenv(KEY_VARIABLE, key)
        said: list[str] = []
        server = ModelServer(pytest.fail, Options("tiny", "0.0.0.0", 0), said.append)
        server._socket.close()
        assert [line.startswith("warning: everybody who reaches") for line in said] == [True] * warned


def test_a_served_model_judges(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`vistune judge run` asks the model by text alone and goes on from its words."""
    rows = {
        "questions": {"question_id": "q", "text": "Why?", "category": "conv"},
        "answers_gpt4": {"question_id": "q", "text": "reference"},
        "ours": {"question_id": "q", "text": "ours"},
    }
    for name, row in rows.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    predictor = load_pair(tiny_checkpoints["blip2-t5"]).predictor
    encode, prompts = predictor.processor.prompt_ids, []

    def noted(prompt: str, *rest: Any) -> list[int]:
        prompts.append(prompt)
        return encode(prompt, *rest)

    monkeypatch.setattr(predictor.processor, "prompt_ids", noted)
    # A tiny model has no opinion; what it is told and what becomes of its words is what is looked at.
    monkeypatch.setattr(predictor.processor, "decode", lambda ids: "8 6\nOurs is shorter.")
    with serving(lambda: predictor) as server:
        outcome = vistune(
            "judge", "run", tmp_path, tmp_path / "ours.jsonl", "--out", tmp_path / "reviews.jsonl", "--model", "tiny",
            "--base-url", f"{server.url}/v1", "--cache", tmp_path / "cache", "--max-tokens", "20", "--json",
        )  # fmt: skip
    assert outcome.code == 0, outcome
    summary = json.loads(outcome.out.splitlines()[-1])
    assert (summary["relative_score"], summary["n"], summary["unparsed"]) == (75.0, 1, [])
    [prompt] = prompts
    assert prompt.startswith(f"{SYSTEM}\n\n[Question]\nWhy?") and "reference" in prompt and "ours" in prompt
    monkeypatch.undo()
    assert summary["usage"]["input_tokens"] == len(encode(prompt, 0))
    assert 1 <= summary["usage"]["output_tokens"] <= 20
