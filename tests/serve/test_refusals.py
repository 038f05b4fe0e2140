"""Whatever cannot be answered is refused by name, in OpenAI's shape, with one sentence."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import weakref
import zlib
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest
from tests.families import load_pair
from tests.serve.rig import client_of, data_url, serving, user, write_png
from tests.tiny import picture

from vistune.serve import chat, prompts

ASK = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}


@pytest.fixture(scope="module")
def served(tiny_checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("pictures")
    write_png(root / "in.png", picture(1))
    write_png(root.parent / "out.png", picture(2))
    (root / "link.png").symlink_to(root.parent / "out.png")
    predictor = load_pair(tiny_checkpoints["llava-mlp"]).predictor
    with serving(lambda: predictor, image_root=root) as server:
        server.root = root  # type: ignore[attr-defined]
        server.predictor = predictor  # type: ignore[attr-defined]
        yield server


def refused(served: Any, status: int, body: Any = None, **change: Any) -> dict[str, Any]:
    """Send a request that must be refused; the error."""
    content = body if isinstance(body, bytes) else json.dumps({**ASK, **change} if body is None else body).encode()
    answer = httpx.post(
        served.url + "/v1/chat/completions", content=content, headers={"Content-Type": "application/json"}, timeout=30
    )
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"].endswith((".", "...", "?")) and "\n" not in error["message"]
    assert "Traceback" not in error["message"]
    return error


def shown(url: Any, **more: Any) -> list[dict[str, Any]]:
    part = {"type": "image_url", "image_url": {"url": url, **more}}
    return [{"role": "user", "content": [part, {"type": "text", "text": "what?"}]}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"temperature": NaN}', "no JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", "no JSON"),
        ([1], "expected a JSON object"),
        ({}, "model is null"),
    ],
)
def test_bodies(served: Any, body: Any, said: str) -> None:
    assert said in refused(served, 400, body)["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1),
        ("temperature", "hot"),
        ("temperature", True),
        ("temperature", 1e-45),
        ("top_p", 0),
        ("top_p", 1.5),
        ("top_k", -1),
        ("repetition_penalty", 0),
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("max_completion_tokens", -3),
        ("n", 0),
        ("n", 9),
        ("seed", 2**64),
        ("stop", 3),
        ("stop", ["a", ""]),
        ("stop", ["a"] * 17),
        ("stop", "\ud800"),
        ("stop", ["a", "b" * 257]),
        ("stream", "yes"),
        ("stream_options", {"include_usage": True}),
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("logit_bias", {"5": 100}),
        ("logprobs", True),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("response_format", {"type": "json_object"}),
        ("modalities", ["text", "audio"]),
        ("best_off", 2),
    ],
)
def test_parameters_are_refused_by_name(served: Any, name: str, value: Any) -> None:
    error = refused(served, 400, **{name: value})
    assert error["param"] == name and name in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_name_with_half_a_character(served: Any) -> None:
    """JSON may write one; the refusal that names it must be text all the same."""
    assert refused(served, 400, **{"\ud800": 1})["param"] == "\\ud800"
    assert refused(served, 400, stream=True, stream_options={"\ud800": 1})["param"] == "stream_options.\\ud800"
    assert (
        refused(served, 400, messages=[{"role": "user", "content": "x", "\ud800": 1}])["param"] == "messages[0].\\ud800"
    )


def test_two_lengths_must_agree(served: Any) -> None:
    assert "send one of them" in refused(served, 400, max_tokens=2, max_completion_tokens=3)["message"]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (None, "messages is empty"),
        ([], "messages is empty"),
        ("hello", "messages is empty"),
        (["hello"], "messages[0] is no object"),
        ([{"role": "tool", "content": "x"}], "messages[0].role is 'tool'"),
        ([{"role": "x" * 10**6, "content": "x"}], "x; expected system, user or assistant."),
        ([{"role": "user"}], "messages[0].content is empty"),
        ([{"role": "user", "content": " "}], "has no words"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content[0].image_url has no url"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], "no part of type text or image_url"),
        ([{"role": "user", "content": "x", "name": "Ann"}], "has 'name'"),
        ([{"role": "user", "content": "\ud83d"}], "half a character"),
        ([{"role": "system", "content": "x"}], "no message of a user"),
        ([{"role": "assistant", "content": "x"}], "an answer to nothing"),
        ([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "the assistant's"),
        ([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}], "put it first"),
    ],
)
def test_messages(served: Any, messages: Any, said: str) -> None:
    assert said in refused(served, 400, messages=messages)["message"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1/cat.png", "fetches nothing"),
        ("https://example.com/cat.png", "fetches nothing"),
        ("ftp://example.com/cat.png", "fetches nothing"),
        ("/etc/passwd", "fetches nothing"),
        ("data:image/png,abc", "expected data:image/png;base64"),
        ("data:image/png;base64,####", "no base64"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/png;base64,aGVsbG8=", "is no picture"),
        # Pillow opens these, the first by starting a program.
        (data_url(picture(1), "EPS"), "is no picture"),
        (data_url(picture(1), "PPM"), "is no picture"),
        (7, "has no url"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_pictures(served: Any, url: Any, said: str) -> None:
    assert said in refused(served, 400, messages=shown(url))["message"]


def png_of(width: int, height: int) -> str:
    """A small file that unpacks to a large white picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj()
    rows = b"".join(packer.compress(b"\0" + b"\xff" * (width // 8)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(("side", "said"), [(32_000, "far too large"), (12_000, "144 megapixels), at most 120")])
def test_a_picture_that_would_fill_memory(served: Any, side: int, said: str) -> None:
    bomb = png_of(side, side)
    assert len(bomb) < 300_000
    error = refused(served, 400, messages=shown(bomb))
    assert said in error["message"] and error["param"] == "messages[0].content[0]"


def test_a_picture_that_is_cut_off(served: Any) -> None:
    whole = data_url(picture(1, (300, 300)))
    error = refused(served, 400, messages=shown(whole[: len(whole) // 8 * 4]))
    assert "messages[0].content[0]" in error["message"].lower()


def test_pictures_of_a_request_are_opened_one_by_one(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may unpack to a third of a gigabyte."""
    open_picture, opened = prompts.open_picture, list[weakref.ref[Any]]()
    most = 0

    def noted(*arguments: Any) -> Any:
        nonlocal most
        image = open_picture(*arguments)
        opened.append(weakref.ref(image))
        most = max(most, sum(seen() is not None for seen in opened))
        return image

    monkeypatch.setattr(prompts, "open_picture", noted)
    pictures = [picture(n) for n in range(6)]
    answer = client_of(served).chat.completions.create(model="tiny", messages=[user("what?", *pictures)], max_tokens=5)
    assert len(opened) == 6 and most <= 2
    [expected] = served.predictor.generate([pictures], ["what?"], max_new_tokens=5)
    assert answer.choices[0].message.content == expected


def test_a_strip_whose_square_would_fill_memory(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `vistune train` writes for LLaVA pads every picture to a square."""
    strip = shown(png_of(16_000, 96))
    client_of(served).chat.completions.create(model="tiny", messages=strip, max_tokens=1)  # type: ignore[arg-type]
    monkeypatch.setattr(served.predictor.processor.image_processor, "do_pad", True, raising=False)
    error = refused(served, 400, messages=strip)
    assert "16000x96 pixels" in error["message"] and "256 megapixels" in error["message"]
    assert (error["param"], error["code"]) == ("messages[0].content[0]", "invalid_image")


def jpeg_with_odd_exif() -> bytes:
    """A JPEG to be turned whose width (tag 0x0100) stands in words, where its description was."""
    image, buffer = picture(1, (40, 30)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112], exif[0x010E] = 6, "hello"
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue().replace(b"\x01\x0e\x00\x02", b"\x01\x00\x00\x02", 1)


def test_damaged_files_that_pillow_fails_on_in_its_own_ways(served: Any) -> None:
    avif = io.BytesIO()
    picture(1, (40, 30)).save(avif, "AVIF")
    where = avif.getvalue().index(b"mdat")
    for broken in (
        # RuntimeError: the picture's data, or the table of its parts.
        avif.getvalue()[: where + 4] + b"\xff" * (len(avif.getvalue()) - where - 4),
        avif.getvalue().replace(b"iloc", b"ilok"),
        # struct.error: what cannot be written back behind the turn.
        jpeg_with_odd_exif(),
    ):
        url = "data:image/png;base64," + base64.b64encode(broken).decode()
        assert refused(served, 400, messages=shown(url))["code"] == "invalid_image"


def test_detail_is_not_ignored(served: Any) -> None:
    assert "one size" in refused(served, 400, messages=shown(data_url(picture(1)), detail="low"))["message"]


def test_files_only_under_the_root(served: Any) -> None:
    client = client_of(served)
    inside = shown(f"file://{served.root}/in.png")
    answer = client.chat.completions.create(model="tiny", messages=inside, max_tokens=5)  # type: ignore[arg-type]
    assert [answer.choices[0].message.content] == served.predictor.generate([picture(1)], ["what?"], max_new_tokens=5)
    for path in ("../out.png", "link.png", "none.png", ".", "%2e%2e/out.png", "in.png%00"):
        assert "names no file" in refused(served, 400, messages=shown(f"file://{served.root}/{path}"))["message"]
    assert "names no file" in refused(served, 400, messages=shown("file://[/in.png"))["message"]
    assert "names no file" in refused(served, 400, messages=shown(f"file://else/{served.root}/in.png"))["message"]


def test_the_context_is_not_overrun(served: Any) -> None:
    long = [{"role": "user", "content": " ".join(["word"] * 2000)}]
    error = refused(served, 400, messages=long)
    assert error["code"] == "context_length_exceeded" and "512 positions" in error["message"]
    error = refused(served, 400, max_tokens=600)
    assert (error["param"], error["code"]) == ("max_tokens", "context_length_exceeded")
    many = [user("what?", *[picture(1)] * 40)]
    error = refused(served, 400, messages=many)
    assert "40 pictures of 16 tokens" in error["message"] and "at most 31" in error["message"]


def test_another_model(served: Any) -> None:
    error = refused(served, 404, model="gpt-4o")
    assert error["code"] == "model_not_found" and "'tiny'" in error["message"]
    with pytest.raises(openai.NotFoundError, match="no model 'other'"):
        client_of(served).models.retrieve("other")


def test_paths_methods_and_types(served: Any) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)):
        answer = httpx.request(method, served.url + path)
        assert answer.status_code == status and path in answer.json()["error"]["message"]
    answer = httpx.post(served.url + "/v1/chat/completions", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415 and "application/json" in answer.json()["error"]["message"]


def test_a_body_that_is_too_large(served: Any) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 2**20

    url, kind = served.url + "/v1/chat/completions", {"Content-Type": "application/json"}
    # Told beforehand, and found out.
    for content in (b" " * (2**25 + 1), endless()):
        try:
            answer = httpx.post(url, content=content, headers=kind, timeout=30)
        except (httpx.WriteError, httpx.ReadError):
            continue  # refused before it was sent
        assert answer.status_code == 413 and "32 MB" in answer.json()["error"]["message"]
    assert client_of(served).models.list()


def test_a_body_that_does_not_come(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that stall would otherwise fill the queue."""
    monkeypatch.setattr(chat, "BODY_SECONDS", 0.2)
    address = httpx.URL(served.url)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with socket.create_connection((address.host, address.port), timeout=10) as stalled:
        stalled.sendall(head + b"Content-Length: 100\r\n\r\n{")
        answer = HTTPResponse(stalled)
        answer.begin()
        assert answer.status == 408 and b"did not come within 0.2 seconds" in answer.read()
    assert served._chat._preparing == 0


def test_a_key(tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISTUNE_API_KEY", "secret-ü")
    predictor = load_pair(tiny_checkpoints["llava-mlp"]).predictor
    with serving(lambda: predictor) as server:
        for key in ("none", "secret", "secret-u", ""):
            given = {"Authorization": f"Bearer {key}"} if key else {}
            for path in ("/v1/models", "/metrics"):
                answer = httpx.get(server.url + path, headers=given)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert httpx.get(server.url + "/health").status_code == 200
        for scheme in ("Bearer", "bearer", "BEARER"):  # HTTP's schemes have no case
            given = {"Authorization": f"{scheme} secret-ü".encode()}
            assert httpx.get(server.url + "/v1/models", headers=given).is_success
        for given in (b"Basic secret-\xc3\xbc", b"secret-\xc3\xbc", b"Bearer", b"Bearer SECRET-\xc3\xbc"):
            assert httpx.get(server.url + "/v1/models", headers={"Authorization": given}).status_code == 401


def test_special_tokens_of_a_user_are_words(served: Any) -> None:
    """Neither a picture nor the end of a turn can be forged."""
    words = "a <image> and </s>"
    answer = client_of(served).chat.completions.create(model="tiny", messages=[user(words)], max_tokens=3)
    expected = served.predictor.processor.encode_one("a < image> and < /s>")
    assert answer.usage.prompt_tokens == len(expected.input_ids)
