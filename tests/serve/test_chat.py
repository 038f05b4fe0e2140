"""Answers over HTTP are those of the predictor, for every family, whole or in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from tests.families import Pair, load_pair
from tests.serve.rig import client_of, serving, user
from tests.tiny import picture

from vistune.infer.predictor import load

PROMPT = "what is in the picture?"
PROMPTS = (PROMPT, "describe the image", "a red circle", "how many?")


class Rig:
    def __init__(self, pair: Pair, server: Any) -> None:
        self.predictor = pair.predictor
        self.server = server
        self.client = client_of(server)

    def ask(self, *messages: dict[str, Any], **arguments: Any) -> Any:
        return self.client.chat.completions.create(model="tiny", messages=list(messages), **arguments)

    def text(self, *messages: dict[str, Any], **arguments: Any) -> str:
        return str(self.ask(*messages, **arguments).choices[0].message.content)


@pytest.fixture(scope="module")
def rigs(tiny_checkpoints: dict[str, Path]) -> Iterator[dict[str, Rig]]:
    """A server for each family, started when it is asked for."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        class Rigs(dict[str, Rig]):
            def __missing__(self, name: str) -> Rig:
                pair = load_pair(tiny_checkpoints[name])
                self[name] = Rig(pair, stack.enter_context(serving(lambda: pair.predictor)))
                return self[name]

        yield Rigs()


@pytest.fixture(params=["instructblip-llama", "instructblip-t5", "blip2-opt", "llava-mlp"])
def rig(request: pytest.FixtureRequest, rigs: dict[str, Rig]) -> Rig:
    return rigs[request.param]


@pytest.fixture
def llava(rigs: dict[str, Rig]) -> Rig:
    return rigs["llava-mlp"]


@pytest.fixture
def instructblip(rigs: dict[str, Rig]) -> Rig:
    return rigs["instructblip-llama"]


def test_an_answer_is_the_predictors(rig: Rig) -> None:
    for image in (None, picture(1)):
        [expected] = rig.predictor.generate([image], [PROMPT], max_new_tokens=9)
        answer = rig.ask(user(PROMPT, *([image] if image else [])), max_tokens=9)
        assert answer.choices[0].message.content == expected
        assert answer.choices[0].message.role == "assistant"
        assert answer.model == "tiny" and answer.object == "chat.completion"


def test_a_stream_is_the_answer_in_pieces(rig: Rig) -> None:
    [expected] = rig.predictor.generate([picture(2)], [PROMPT], max_new_tokens=9)
    chunks = list(rig.ask(user(PROMPT, picture(2)), max_tokens=9, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(pieces) == expected
    # What may still become a character is held back.
    assert len(pieces) > 1 or "\ufffd" in expected, "it came at once"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    whole = rig.ask(user(PROMPT, picture(2)), max_tokens=9)
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_counts_what_was_read_and_written(rig: Rig) -> None:
    answer = rig.ask(user(PROMPT, picture(0)), max_completion_tokens=5)
    prompt = rig.predictor.processor.encode_one(PROMPT, picture(0))
    assert answer.usage.prompt_tokens == len(prompt.input_ids)
    assert answer.usage.completion_tokens == 5
    assert answer.usage.total_tokens == len(prompt.input_ids) + 5
    assert answer.choices[0].finish_reason == "length"


def test_a_closing_token_ends_an_answer_and_is_counted(tiny_checkpoints: dict[str, Path]) -> None:
    predictor = load(tiny_checkpoints["llava-mlp"], device="cpu")
    from vistune.infer.generation import generate_batch
    from vistune.infer.settings import Arguments, resolve

    sample = predictor.processor.encode_one(PROMPT)
    settings = resolve(Arguments(max_new_tokens=10), predictor.model.generation_config, predictor.processor)
    [ids] = generate_batch(predictor.model, predictor.processor, [sample], settings, [0])
    place = next(n for n, token in enumerate(ids) if n > 1 and token not in ids[:n])
    predictor.model.generation_config.eos_token_id = ids[place]
    with serving(lambda: predictor) as server:
        ask = client_of(server).chat.completions.create
        for length, reason, tokens in (
            (10, "stop", place + 1),
            (place + 1, "stop", place + 1),
            (place, "length", place),
        ):
            answer = ask(model="tiny", messages=[user(PROMPT)], max_tokens=length)
            assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == (reason, tokens)
            assert answer.choices[0].message.content == predictor.processor.decode(ids[:place])


def test_stop_strings(llava: Rig) -> None:
    [plain] = llava.predictor.generate([None], [PROMPT], max_new_tokens=12)
    mark = next(character for character in plain[2:] if character.isalpha())
    [expected] = llava.predictor.generate([None], [PROMPT], max_new_tokens=12, stop=[mark])
    for stop in (mark, [mark, "never there"]):
        answer = llava.ask(user(PROMPT), max_tokens=12, stop=stop)
        assert answer.choices[0].message.content == expected
        assert mark not in expected and answer.choices[0].finish_reason == "stop"
        assert answer.usage.completion_tokens < 12
    pieces = llava.ask(user(PROMPT), max_tokens=12, stop=mark, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in pieces) == expected


def test_a_seed_repeats_and_is_the_predictors(rig: Rig) -> None:
    sampling = {"temperature": 1.4, "top_p": 0.95, "seed": 7}
    expected = rig.predictor.generate([None] * 3, [PROMPT] * 3, max_new_tokens=8, **sampling)
    answer = rig.ask(user(PROMPT), max_tokens=8, n=3, **sampling)
    assert [choice.message.content for choice in answer.choices] == expected
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.completion_tokens == 24
    assert len(set(expected)) > 1


def test_without_a_seed_answers_differ(llava: Rig) -> None:
    said = {llava.text(user(PROMPT), max_tokens=8, temperature=1.5) for _ in range(4)}
    assert len(said) > 1


def test_several_streams_in_one(llava: Rig) -> None:
    sampling = {"temperature": 1.4, "seed": 1, "n": 2, "max_tokens": 6}
    whole = [choice.message.content for choice in llava.ask(user(PROMPT), **sampling).choices]
    parts = ["", ""]
    for chunk in llava.ask(user(PROMPT), stream=True, **sampling):
        parts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert parts == whole and whole[0] != whole[1]


def test_neutral_values_change_nothing(llava: Rig) -> None:
    neutral: dict[str, Any] = {
        "frequency_penalty": 0,
        "presence_penalty": 0.0,
        "logit_bias": {},
        "logprobs": False,
        "top_p": 1,
        "n": 1,
        "user": "me",
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "seed": None,
    }
    assert llava.text(user(PROMPT), max_tokens=6, **neutral) == llava.text(user(PROMPT), max_tokens=6)


def test_a_history_is_put_by_the_chat_template(llava: Rig) -> None:
    """transformers' own rendering of the same messages is the measure."""
    processor, tokenizer = llava.predictor.processor, llava.predictor.processor.tokenizer
    messages = [
        {"role": "system", "content": "Be brief."},
        user("is it red?", picture(3)),
        {"role": "assistant", "content": "no"},
        user("what then?"),
    ]

    def parts(message: dict[str, Any]) -> dict[str, Any]:
        content = message["content"]
        content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return {**message, "content": [{"type": "image"} if p["type"] == "image_url" else p for p in content]}

    text = tokenizer.apply_chat_template(
        [parts(message) for message in messages],
        chat_template=processor.chat_template,
        tokenize=False,
        add_generation_prompt=True,
    )
    [expected] = llava.predictor.generate([picture(3)], [text], raw=True, max_new_tokens=9)
    answer = llava.ask(*messages, max_tokens=9)
    assert answer.choices[0].message.content == expected
    assert answer.usage.prompt_tokens == len(processor.encode_one(text, picture(3), raw=True).input_ids)
    assert "Be brief." in text and "no" in text


def test_a_history_without_a_template_is_put_as_in_dialogue_data(instructblip: Rig) -> None:
    prompt = "Be brief.\n\nQuestion: is it red? Answer: no Question: what then? Answer:"
    [expected] = instructblip.predictor.generate([picture(3)], [prompt], max_new_tokens=9)
    assert expected == instructblip.text(
        {"role": "system", "content": "Be brief."},
        user("is it red?", picture(3)),
        {"role": "assistant", "content": "no"},
        user("what then?"),
        max_tokens=9,
    )


def test_answers_can_be_sent_back_as_they_came(llava: Rig) -> None:
    first = llava.ask(user("one"), max_tokens=4).choices[0].message
    assert llava.text(user("one"), first.model_dump(), user("two"), max_tokens=4)


def test_models_health_and_figures(llava: Rig) -> None:
    assert [model.id for model in llava.client.models.list()] == ["tiny"]
    assert llava.client.models.retrieve("tiny").owned_by == "vistune"
    llava.ask(user(PROMPT), max_tokens=3)
    health = httpx.get(llava.server.url + "/health")
    assert (health.status_code, health.json()) == (200, {"status": "ready"})
    figures = httpx.get(llava.server.url + "/metrics").text
    for name in ("vistune_queue_length 0.0", "vistune_batch_size_count", "vistune_request_seconds_count"):
        assert name in figures
    counted = next(line for line in figures.splitlines() if line.startswith("vistune_completion_tokens_total"))
    assert float(counted.split()[1]) >= 3
    assert 'vistune_requests_total{path="/v1/chat/completions",status="200"}' in figures


def test_beams_of_the_folder_are_kept_also_in_a_stream(tiny_checkpoints: dict[str, Path]) -> None:
    predictor = load(tiny_checkpoints["instructblip-llama"], device="cpu")
    predictor.model.generation_config.num_beams = 3
    searched = predictor.generate([picture(1)] * 4, list(PROMPTS), max_new_tokens=6)
    greedy = predictor.generate([picture(1)] * 4, list(PROMPTS), max_new_tokens=6, num_beams=1)
    prompt, expected = next((p, s) for p, s, g in zip(PROMPTS, searched, greedy, strict=True) if s != g)
    with serving(lambda: predictor) as server:
        rig = Rig(load_pair(tiny_checkpoints["instructblip-llama"]), server)
        answer = rig.ask(user(prompt, picture(1)), max_tokens=6)
        assert answer.choices[0].message.content == expected
        assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 6)
        chunks = list(rig.ask(user(prompt, picture(1)), max_tokens=6, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected
        # Who samples does not search.
        sampled = rig.text(user(prompt, picture(1)), max_tokens=6, temperature=1.0, seed=3)
        assert [sampled] == predictor.generate(
            [picture(1)], [prompt], max_new_tokens=6, temperature=1.0, seed=3, num_beams=1
        )


def test_a_folder_that_samples(tiny_checkpoints: dict[str, Path]) -> None:
    predictor = load(tiny_checkpoints["llava-mlp"], device="cpu")
    predictor.model.generation_config.do_sample, predictor.model.generation_config.num_beams = True, 3
    with serving(lambda: predictor) as server:
        ask = client_of(server).chat.completions.create
        answer = ask(model="tiny", messages=[user(PROMPT)], max_tokens=6, seed=2)
        [expected] = predictor.generate([None], [PROMPT], max_new_tokens=6, seed=2, num_beams=1)
        assert answer.choices[0].message.content == expected
        answer = ask(model="tiny", messages=[user(PROMPT)], max_tokens=6, temperature=0)
        [expected] = predictor.generate([None], [PROMPT], max_new_tokens=6, temperature=0)
        assert answer.choices[0].message.content == expected


def test_lengths_that_nobody_says(tiny_checkpoints: dict[str, Path]) -> None:
    predictor = load(tiny_checkpoints["llava-mlp"], device="cpu")
    with serving(lambda: predictor) as server:
        ask = client_of(server).chat.completions.create
        predictor.model.generation_config.max_new_tokens = 7
        assert ask(model="tiny", messages=[user(PROMPT)]).usage.completion_tokens == 7
        predictor.model.generation_config.max_new_tokens = None
        # 512 positions in all: what is left of them.
        answer = ask(model="tiny", messages=[user(" ".join(["word"] * 100))])
        assert answer.usage.total_tokens == 512 or answer.choices[0].finish_reason == "stop"
