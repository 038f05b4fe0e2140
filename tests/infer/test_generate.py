"""Sampling, streaming, stopping, lengths and defaults, none of which may depend on the batch."""

from __future__ import annotations

from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.families import Pair, load_pair
from tests.tiny import picture
from transformers import GenerationConfig
from transformers.generation import utils as transformers_generation

import vistune
from vistune.errors import CheckpointError, InputError
from vistune.infer.sampling import GumbelSampler, cut_at_stop
from vistune.infer.settings import Arguments, SampleSettings, resolve
from vistune.infer.streaming import TextStreamer


@pytest.fixture
def pair(tiny_checkpoint: Path) -> Pair:
    return load_pair(tiny_checkpoint)


@pytest.fixture
def llama(tiny_checkpoints: dict[str, Path]) -> Pair:
    return load_pair(tiny_checkpoints["instructblip-llama"])


@pytest.mark.parametrize("family", ["llava-mlp", "instructblip-t5", "blip2-opt"])
def test_shortest_answers_are_no_matter_of_warnings(
    family: str, tiny_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers would tell people of a length that they never set, once for every batch."""
    told: list[str] = []
    monkeypatch.setattr(transformers_generation.logger, "warning", lambda text, *more: told.append(text))
    pair = load_pair(tiny_checkpoints[family])
    for length in (None, 3):
        pair.predictor.generate(pair.pictures, pair.prompts, raw=True, min_new_tokens=length, max_new_tokens=4)
    assert not told


def test_sampling_depends_on_seed_and_row_alone(pair: Pair) -> None:
    arguments = {"max_new_tokens": 8, "temperature": 1.5, "top_p": 0.95, "raw": True}
    together = pair.predictor.generate(pair.pictures, pair.prompts, seed=3, **arguments)
    alone = pair.predictor.generate(pair.pictures, pair.prompts, seed=3, batch_size=1, **arguments)
    other = pair.predictor.generate(pair.pictures, pair.prompts, seed=4, **arguments)
    assert together == alone
    assert together != other


def test_gumbel_sampling_follows_the_probabilities() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = 4000
    settings = SampleSettings(temperature=0.7, top_k=3, top_p=1.0)
    sampler = GumbelSampler(settings, seed=0, rows=range(draws))
    picks = sampler(torch.zeros(draws, 0, dtype=torch.long), logits.expand(draws, -1).clone()).argmax(-1)
    shares = torch.bincount(picks, minlength=4) / draws
    expected = torch.cat([(logits[0, :3] / 0.7).softmax(-1), torch.zeros(1)])
    # Three standard errors of a share of one half are .024.
    assert (shares - expected).abs().max() < 0.024


@pytest.mark.parametrize("arguments", [{}, {"temperature": 1.3, "seed": 5}, {"stop": ["e", "o"]}])
def test_stream_pieces_join_to_the_generated_text(pair: Pair, arguments: dict) -> None:
    for row, (image, prompt) in enumerate(zip(pair.pictures, pair.prompts, strict=True)):
        whole = pair.predictor.generate([image], [prompt], raw=True, max_new_tokens=10, **arguments)[0]
        pieces = list(pair.predictor.stream(image, prompt, raw=True, max_new_tokens=10, **arguments))
        assert "".join(pieces) == whole, row


@pytest.mark.parametrize("stop", [("xy", "abx z"), ("abx z", "xy")])
def test_a_stream_holds_back_the_longest_beginning_of_a_stop_string(stop: tuple[str, str]) -> None:
    """One letter a token; the answer is cut before "abx z", of which "x" could begin the other one."""
    tokenizer = SimpleNamespace(convert_ids_to_tokens=chr)
    processor: Any = SimpleNamespace(decode=lambda ids: "".join(map(chr, ids)), tokenizer=tokenizer)
    queue: Queue[object] = Queue()
    streamer = TextStreamer(processor, [], stop, queue)
    streamer.put(torch.empty(0))
    for letter in "hello abx zz":
        streamer.put(torch.tensor([ord(letter)]))
    streamer.end()
    pieces = [str(queue.get_nowait()) for _ in range(queue.qsize())]
    assert "".join(pieces) == "hello" and len(pieces) > 1


def test_stream_raises_what_went_wrong_and_stops_when_left(llama: Pair) -> None:
    pieces = llama.predictor.stream(llama.pictures[0], llama.prompts[0], max_new_tokens=200)
    next(pieces)
    pieces.close()
    broken = replace_hook(llama)
    with pytest.raises(RuntimeError, match="went wrong inside"):
        list(llama.predictor.stream(llama.pictures[0], llama.prompts[0]))
    broken.remove()


def replace_hook(pair: Pair) -> torch.utils.hooks.RemovableHandle:
    def fail(*_: object) -> None:
        raise RuntimeError("went wrong inside")

    return pair.predictor.model.connector.register_forward_pre_hook(fail)


def test_stop_strings_end_and_are_cut_off(pair: Pair) -> None:
    plain = pair.predictor.generate(pair.pictures, pair.prompts, raw=True, max_new_tokens=12)
    mark = next(character for text in plain for character in text[1:] if character.isalpha())
    stopped = pair.predictor.generate(pair.pictures, pair.prompts, raw=True, max_new_tokens=12, stop=[mark])
    assert any(mark in text for text in plain)
    for text, cut in zip(plain, stopped, strict=True):
        assert mark not in cut
        # Random weights write bytes that are no characters; a later one can turn an earlier letter into a blot.
        assert "\ufffd" in text or cut == cut_at_stop(text, [mark]).strip()


def test_lengths_come_from_the_call_then_the_folder_then_transformers(llama: Pair) -> None:
    processor = llama.predictor.processor
    nothing = resolve(Arguments(), None, processor)
    assert nothing.lengths(10, False) == (20, 0)
    folder = GenerationConfig(max_length=40, min_length=15)
    # In transformers both count the prompt of a decoder-only model, and the start token of an encoder-decoder.
    assert resolve(Arguments(), folder, processor).lengths(10, False) == (30, 5)
    assert resolve(Arguments(), folder, processor).lengths(10, True) == (39, 14)
    assert resolve(Arguments(max_new_tokens=7), folder, processor).lengths(10, False) == (7, 5)
    with pytest.raises(InputError, match="leaves no room after a prompt of 50 tokens"):
        resolve(Arguments(), folder, processor).lengths(50, False)


def test_the_folders_generation_config_decides_what_is_not_said(llama: Pair) -> None:
    folder = GenerationConfig(num_beams=5, repetition_penalty=1.5, top_p=0.9, length_penalty=2.0)
    settings = resolve(Arguments(num_beams=1), folder, llama.predictor.processor)
    assert settings.config.num_beams == 1
    assert settings.config.repetition_penalty == 1.5
    assert settings.config.length_penalty == 2.0
    assert settings.sample is None, "top_p alone in a folder does not switch sampling on, as in transformers"
    sampled = resolve(Arguments(), GenerationConfig(do_sample=True, temperature=0.5), llama.predictor.processor)
    assert sampled.sample == SampleSettings(temperature=0.5, top_k=50, top_p=1.0)
    assert resolve(Arguments(temperature=0.0), sampled.config, llama.predictor.processor).sample is None


def test_penalty_over_the_answer_only_differs_from_prompt_and_answer(llama: Pair) -> None:
    arguments = {"max_new_tokens": 12, "repetition_penalty": 30.0}
    both = llama.predictor.generate(llama.pictures, llama.prompts, **arguments)
    answer = llama.predictor.generate(llama.pictures, llama.prompts, penalize_prompt=False, **arguments)
    alone = llama.predictor.generate(llama.pictures, llama.prompts, penalize_prompt=False, batch_size=1, **arguments)
    assert both != answer
    assert answer == alone


def test_several_frames_are_read_with_the_instruction_and_concatenated(llama: Pair) -> None:
    processor, model = llama.predictor.processor, llama.predictor.model
    frames = list(llama.pictures)
    batch = processor.encode([frames], ["what happens?"])
    assert (batch.input_ids == processor.image_token_id).sum() == 3 * processor.num_image_tokens
    embeds = model.embed_inputs(**batch.embedding_inputs())
    one = [model.embed_inputs(**processor.encode([frame], ["what happens?"]).embedding_inputs()) for frame in frames]
    columns = processor.num_image_tokens
    torch.testing.assert_close(embeds[:, : 3 * columns], torch.cat([e[:, :columns] for e in one], dim=1))


def test_text_alone_needs_no_picture(pair: Pair) -> None:
    answers = pair.predictor.generate([None, pair.pictures[0]], ["hello there", "what is it?"], max_new_tokens=4)
    assert len(answers) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0; expected at least 1"),
        ({"num_beams": 0}, "num_beams is 0"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"stop": [""]}, "non-empty strings"),
        ({"num_beams": 2, "temperature": 0.5}, "Sampling with num_beams=2"),
        ({"beams": 2}, "Unknown argument 'beams'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_wrong_arguments(llama: Pair, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        llama.predictor.generate(llama.pictures, llama.prompts, **arguments)


def test_lists_that_do_not_fit(llama: Pair) -> None:
    predictor = llama.predictor
    with pytest.raises(InputError, match="2 entries in images for 1 prompts"):
        predictor.generate([None, None], ["hello"])
    with pytest.raises(InputError, match="expected a list of strings"):
        predictor.generate([None], "hello")
    with pytest.raises(InputError, match="The prompt is empty"):
        predictor.generate([None], ["  "])
    with pytest.raises(InputError, match="positions: shorten it by"):
        predictor.generate([None], ["word " * 3000])
    assert predictor.generate([], []) == []


def test_hub_like_ids_that_contradict_the_tokenizer(tmp_path: Path, tiny_checkpoints: dict[str, Path]) -> None:
    from tests.tiny import make_instructblip

    contradictory = load_pair(make_instructblip(tmp_path / "instructblip-llama", contradictory_ids=True))
    right = load_pair(tiny_checkpoints["instructblip-llama"])
    arguments = {"raw": True, "max_new_tokens": 12}
    answers = contradictory.predictor.generate(right.pictures, right.prompts, **arguments)
    assert answers == right.predictor.generate(right.pictures, right.prompts, **arguments)
    settings = resolve(Arguments(), contradictory.predictor.model.generation_config, contradictory.predictor.processor)
    assert settings.closing_ids == (right.predictor.processor.tokenizer.eos_token_id,)


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5"])
def test_a_model_without_numbers_gives_no_answers(tiny_checkpoints: dict[str, Path], family: str, beams: int) -> None:
    predictor = vistune.load(tiny_checkpoints[family], device="cpu")
    with torch.no_grad():
        predictor.model.language.model.get_output_embeddings().weight[3] = float("nan")
    with pytest.raises(CheckpointError, match="scores of the next token are NaN; its weights are damaged"):
        predictor.generate([picture(0)], ["what?"], num_beams=beams, max_new_tokens=3)
